<#
.SYNOPSIS
    Opens psql on Solo's database: `solo db shell`.
.DESCRIPTION
    The password is in psql's environment, not on its command line.
    It works with a running daemon and without one. Settings come from the environment and from .env, as everywhere.
.PARAMETER Arguments
    For psql, such as '-c', 'SELECT 1'.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\db\shell.ps1 -Arguments '-c', 'SELECT 1'
#>
[CmdletBinding()]
param(
    [string[]]$Arguments = @()
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$arguments = @('db', 'shell', '--') + $Arguments

& (Join-Path $PSScriptRoot '..\solo.ps1') @arguments
exit $LASTEXITCODE
