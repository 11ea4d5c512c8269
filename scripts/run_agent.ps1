<#
.SYNOPSIS
    Sets up what is missing and starts Solo with its dashboard: everything in one line.
.DESCRIPTION
    Finds Python 3.11 to 3.13, makes .venv, installs the locked dependencies and starts `solo run --dashboard`.
    Ctrl+C stops it. Settings come from the environment and from .env, as everywhere.
.PARAMETER Port
    TCP port of the daemon on loopback; 0 takes a free one. Unset: SOLO_PORT, else 8700.
.PARAMETER Audio
    device, none, or wav:PATH (a file heard as if spoken). Unset: SOLO_AUDIO__INPUT, else device.
.PARAMETER NoDashboard
    Leave the dashboard out.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\run_agent.ps1
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\run_agent.ps1 -Port 8710 -Audio none -NoDashboard
#>
[CmdletBinding()]
param(
    [ValidateRange(-1, 65535)]
    [int]$Port = -1,
    [ValidatePattern('^(device|none|wav:.+)?$')]
    [string]$Audio = '',
    [switch]$NoDashboard
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

& (Join-Path $PSScriptRoot 'setup_dev.ps1') -NoHooks
if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }

$arguments = @('run')
if (-not $NoDashboard) { $arguments += '--dashboard' }
if ($Port -ge 0) { $arguments += @('--port', [string]$Port) }
if ($Audio) { $arguments += @('--audio', $Audio) }

# Settings and .env are read from the working directory, so that is the checkout.
Push-Location -LiteralPath (Split-Path -Parent $PSScriptRoot)
try {
    # What Solo logs goes to stderr, which Windows PowerShell must not take for a failure.
    $ErrorActionPreference = 'Continue'
    & '.venv\Scripts\solo.exe' @arguments
    $code = $LASTEXITCODE
} finally {
    Pop-Location
}
exit $code
