<#
.SYNOPSIS
    Runs `solo` of this checkout with the arguments given, and ends with its exit code.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\solo.ps1 status
#>
Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

# Settings and .env are read from the working directory, so that is the checkout.
Push-Location -LiteralPath (Split-Path -Parent $PSScriptRoot)
try {
    if (-not (Test-Path -LiteralPath '.venv\Scripts\solo.exe')) {
        [Console]::Error.WriteLine('Solo is not set up here. Run scripts\setup_dev.ps1 first.')
        exit 2
    }
    # What goes to stderr Windows PowerShell must not take for a failure.
    $ErrorActionPreference = 'Continue'
    & '.venv\Scripts\solo.exe' @args
    $code = $LASTEXITCODE
} finally {
    Pop-Location
}
exit $code
