"""The dashboard: a Streamlit page that watches the daemon over HTTP and shares no code with it."""
