<#
.SYNOPSIS
    Backs up Solo's database: `solo db backup`.
.DESCRIPTION
    Writes a verified dump with its manifest.
    It works with a running daemon and without one. Settings come from the environment and from .env, as everywhere.
.PARAMETER Path
    A folder, or a file that ends in .dump. Unset: where scheduled backups go.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\db\backup.ps1 -Path D:\Backups
#>
[CmdletBinding()]
param(
    [string]$Path = ''
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$arguments = @('db', 'backup')
if ($Path) { $arguments += $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path) }

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
