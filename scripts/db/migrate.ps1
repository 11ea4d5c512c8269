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
