<#
.SYNOPSIS
    A key for the whole desktop that has Solo's microphone listen, without the wake word.
.DESCRIPTION
    Registers the key with Windows (RegisterHotKey) and waits; each press asks POST /api/listen with the owner's key of
    the state directory. Ctrl+C ends it. With -Toggle the first press begins (push-to-talk) and the second one ends.
.PARAMETER Key
    Modifiers and a key, joined by +, such as Ctrl+Alt+Space or Win+F8.
.PARAMETER Port
    Of the daemon; otherwise what daemon.json in the state directory says.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\hotkey.ps1 -Key Ctrl+Alt+Space
#>
[CmdletBinding()]
param(
    [string]$Key = 'Ctrl+Alt+Space',
    [string]$Source = 'microphone',
    [int]$Port = 0,
    [switch]$Toggle
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$StateDir = $env:SOLO_STATE_DIR
if (-not $StateDir) { $StateDir = Join-Path $env:LOCALAPPDATA 'solo' }

Add-Type -AssemblyName System.Windows.Forms
Add-Type -Namespace Solo -Name HotKey -MemberDefinition @'
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential)]
public struct Message {
    public System.IntPtr Window; public uint Kind; public System.IntPtr W; public System.IntPtr L; public uint Time; public int X; public int Y;
}
[System.Runtime.InteropServices.DllImport("user32.dll", SetLastError = true)]
public static extern bool RegisterHotKey(System.IntPtr window, int id, uint modifiers, uint key);
[System.Runtime.InteropServices.DllImport("user32.dll")]
public static extern bool UnregisterHotKey(System.IntPtr window, int id);
[System.Runtime.InteropServices.DllImport("user32.dll")]
public static extern bool PeekMessage(out Message message, System.IntPtr window, uint least, uint most, uint remove);
'@

# The numbers that RegisterHotKey wants; 0x4000: a key that is held does not repeat.
$modifiers = [uint32]0x4000
$code = [uint32]0
foreach ($part in $Key.Split('+')) {
    switch ($part.Trim().ToLowerInvariant()) {
        'alt' { $modifiers = $modifiers -bor 1 }
        'ctrl' { $modifiers = $modifiers -bor 2 }
        'shift' { $modifiers = $modifiers -bor 4 }
        'win' { $modifiers = $modifiers -bor 8 }
        default { $code = [uint32][System.Windows.Forms.Keys]($part.Trim()) }
    }
}
if ($code -eq 0) {
    [Console]::Error.WriteLine("No key in '$Key'. For example: Ctrl+Alt+Space.")
    exit 2
}

# Asked anew at each press: the daemon may have been started again, on another port.
function Send-Wish([string]$Path, [hashtable]$Body) {
    try {
        $number = $Port
        if ($number -eq 0) {
            $number = (Get-Content -LiteralPath (Join-Path $StateDir 'daemon.json') -Raw | ConvertFrom-Json).port
        }
        $owner = (Get-Content -LiteralPath (Join-Path $StateDir 'owner.key') -Raw).Trim()
        $headers = @{ Authorization = "Bearer $owner" }
        Invoke-RestMethod -Method Post -Uri "http://127.0.0.1:$number$Path" -Headers $headers `
            -ContentType 'application/json' -Body ($Body | ConvertTo-Json -Compress) | Out-Null
        return $true
    } catch {
        [Console]::Error.WriteLine("Solo did not take it: $($_.Exception.Message)")
        return $false
    }
}

if (-not [Solo.HotKey]::RegisterHotKey([IntPtr]::Zero, 1, $modifiers, $code)) {
    [Console]::Error.WriteLine("$Key cannot be had: another program has it.")
    exit 1
}
Write-Host "$Key has Solo listen. Ctrl+C ends this."
$listening = $false
try {
    $message = New-Object 'Solo.HotKey+Message'
    while ($true) {
        # 0x0312: the key was pressed. Looked for in small steps, so that Ctrl+C is heard in between.
        while ([Solo.HotKey]::PeekMessage([ref]$message, [IntPtr]::Zero, 0x0312, 0x0312, 1)) {
            if ($Toggle -and $listening) {
                Send-Wish '/api/listen/end' @{ source = $Source } | Out-Null
                $listening = $false
            } else {
                $taken = Send-Wish '/api/listen' @{ source = $Source; hold = [bool]$Toggle }
                $listening = $Toggle -and $taken
            }
        }
        Start-Sleep -Milliseconds 30
    }
} finally {
    [Solo.HotKey]::UnregisterHotKey([IntPtr]::Zero, 1) | Out-Null
}
