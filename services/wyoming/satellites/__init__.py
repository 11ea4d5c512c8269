"""Satellites: devices in other rooms, each a sound source of Solo's."""
