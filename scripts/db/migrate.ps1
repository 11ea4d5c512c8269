<#
.SYNOPSIS
    Brings Solo's tables up to date: `solo db migrate`.
.DESCRIPTION
    Applies what is pending, after a backup; `solo run` does so by itself.
    It works with a running daemon and without one. Settings come from the environment and from .env, as everywhere.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\db\migrate.ps1
#>
[CmdletBinding()]
param()

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$arguments = @('db', 'migrate')

& (Join-Path $PSScriptRoot '..\solo.ps1') @arguments
exit $LASTEXITCODE
