<#
.SYNOPSIS
    Lets Windows back up Solo's database every day, also when Solo is not running.
.DESCRIPTION
    Registers a task of the Task Scheduler for the present user that runs scripts\db\backup.ps1. The daemon makes
    scheduled backups by itself (SOLO_DATABASE__BACKUP_EVERY_H); this is for machines on which it rarely runs. These
    backups are not removed by themselves. -WhatIf shows what would be done; -Remove takes the task away.
.PARAMETER At
    Time of day.
.PARAMETER Path
    A folder. Unset: where scheduled backups go.
.PARAMETER Remove
    Take the task away.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\db\schedule_backup.ps1 -At 03:30 -Path D:\Backups
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [ValidatePattern('^([01][0-9]|2[0-3]):[0-5][0-9]$')]
    [string]$At = '03:30',
    [string]$Path = '',
    [switch]$Remove
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$Name = 'Solo database backup'

if ($Remove) {
    if (Get-ScheduledTask -TaskName $Name -ErrorAction SilentlyContinue) {
        if ($PSCmdlet.ShouldProcess($Name, 'Remove the scheduled task')) {
            Unregister-ScheduledTask -TaskName $Name -Confirm:$false
        }
    }
    exit 0
}

$script = Join-Path $PSScriptRoot 'backup.ps1'
$line = "-NoProfile -ExecutionPolicy Bypass -File `"$script`""
if ($Path) {
    $line += " -Path `"$($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Path))`""
}
if ($PSCmdlet.ShouldProcess($Name, "Register a task for $At every day: powershell.exe $line")) {
    $action = New-ScheduledTaskAction -Execute 'powershell.exe' -Argument $line
    $trigger = New-ScheduledTaskTrigger -Daily -At $At
    # Made up for when the machine was off at that time.
    $settings = New-ScheduledTaskSettingsSet -StartWhenAvailable -ExecutionTimeLimit (New-TimeSpan -Hours 2)
    Register-ScheduledTask -TaskName $Name -Action $action -Trigger $trigger -Settings $settings -Force | Out-Null
}
exit 0
