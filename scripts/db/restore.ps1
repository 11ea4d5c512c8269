<#
.SYNOPSIS
    Restores a backup of Solo's database: `solo db restore`.
.DESCRIPTION
    Checks the backup, restores it beside the present database and swaps the two.
    It works with a running daemon and without one. Settings come from the environment and from .env, as everywhere.
.PARAMETER Path
    The .dump file, with its manifest beside it.
.PARAMETER Yes
    Do not ask.
.PARAMETER DropOld
    Do not keep the present database beside the restored one.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\db\restore.ps1 -Path D:\Backups\solo-20260131T120000Z.dump
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)]
    [string]$Path,
    [switch]$Yes,
    [switch]$DropOld
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$arguments = @('db', 'restore', $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path))
if ($Yes) { $arguments += '--yes' }
if ($DropOld) { $arguments += '--drop-old' }

& (Join-Path $PSScriptRoot '..\solo.ps1') @arguments
exit $LASTEXITCODE
