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

& (Join-Path $PSScriptRoot '..\solo.ps1') @arguments
exit $LASTEXITCODE
