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

# Settings and .env are read from the working directory, so that is the checkout.
Push-Location -LiteralPath (Split-Path -Parent (Split-Path -Parent $PSScriptRoot))
try {
    if (-not (Test-Path -LiteralPath '.venv\Scripts\solo.exe')) {
        [Console]::Error.WriteLine('Solo is not set up here. Run scripts\setup_dev.ps1 first.')
        exit 2
    }
    # What goes to stderr Windows PowerShell must not take for a failure.
    $ErrorActionPreference = 'Continue'
    & '.venv\Scripts\solo.exe' @arguments
    $code = $LASTEXITCODE
} finally {
    Pop-Location
}
exit $code
