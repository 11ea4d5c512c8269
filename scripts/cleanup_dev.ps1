<#
.SYNOPSIS
    Removes what setup_dev.ps1 and the tools have made: the virtual environment and the caches.
.DESCRIPTION
    Leaves the sources, .env and your models alone. -WhatIf shows what would be removed. With -State the state
    directory (the owner's key) goes too, and with -Environment the SOLO_ variables of your user account.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\cleanup_dev.ps1 -WhatIf
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [switch]$State,
    [switch]$Environment
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$Root = Split-Path -Parent $PSScriptRoot
$StateDir = $env:SOLO_STATE_DIR
if (-not $StateDir) { $StateDir = Join-Path $env:LOCALAPPDATA 'solo' }

# The pid of a running daemon, 0 when there is none.
function Get-Daemon {
    $note = Join-Path $StateDir 'daemon.json'
    if (-not (Test-Path -LiteralPath $note)) { return 0 }
    try {
        $daemon = Get-Content -LiteralPath $note -Raw | ConvertFrom-Json
        Get-Process -Id $daemon.pid -ErrorAction Stop | Out-Null
        return [int]$daemon.pid
    } catch {
        return 0
    }
}

$running = Get-Daemon
if ($running -ne 0) {
    [Console]::Error.WriteLine("Solo is running (pid $running) and uses these files. Stop it with: .venv\Scripts\solo.exe stop")
    exit 2
}

$unwanted = @()
foreach ($name in '.venv', '.cache', '.pytest_cache', '.mypy_cache', '.ruff_cache', '.import_linter_cache', '.hypothesis') {
    $unwanted += Join-Path $Root $name
}
foreach ($name in 'solo', 'services', 'dashboard', 'tests', 'scripts') {
    $folder = Join-Path $Root $name
    if (Test-Path -LiteralPath $folder) {
        $unwanted += @(Get-ChildItem -LiteralPath $folder -Directory -Recurse -Filter '__pycache__' | ForEach-Object { $_.FullName })
    }
}
if ($State) { $unwanted += $StateDir }

foreach ($path in $unwanted) {
    if ((Test-Path -LiteralPath $path) -and $PSCmdlet.ShouldProcess($path, 'Remove')) {
        Remove-Item -LiteralPath $path -Recurse -Force
    }
}

if ($Environment) {
    $names = @([Environment]::GetEnvironmentVariables('User').Keys | Where-Object { $_ -like 'SOLO_*' })
    foreach ($name in $names) {
        if ($PSCmdlet.ShouldProcess($name, 'Remove the environment variable')) {
            [Environment]::SetEnvironmentVariable($name, $null, 'User')
        }
    }
}
exit 0
