<#
.SYNOPSIS
    Sets Solo up on Windows: virtual environment, locked dependencies, the project itself, Git hooks.
.DESCRIPTION
    Does what `make setup` does elsewhere. The first run compiles llama.cpp, which takes some minutes; later runs
    find everything in place and take seconds. Works in Windows PowerShell 5.1 and in PowerShell 7.
.PARAMETER Python
    Path of a Python 3.11 to 3.13, when the one found by itself is not the one wanted.
.PARAMETER NoHooks
    Leave the Git hooks alone.
.EXAMPLE
    powershell -ExecutionPolicy Bypass -File scripts\setup_dev.ps1
#>
[CmdletBinding()]
param(
    [string]$Python = '',
    [switch]$NoHooks
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'
$UvVersion = '0.13.9'
$Root = Split-Path -Parent $PSScriptRoot
$Venv = Join-Path $Root '.venv'
$VenvPython = Join-Path $Venv 'Scripts\python.exe'
$Stamp = Join-Path $Venv '.installed'

function Stop-WithAdvice([string]$What, [string]$Advice) {
    [Console]::Error.WriteLine("$What $Advice")
    exit 2
}

# Runs a program whose failure is an answer, not an error. Returns its first line, or '' when it failed.
function Get-Answer([string]$Program, [string[]]$Arguments) {
    $ErrorActionPreference = 'Continue'
    try {
        $said = & $Program @Arguments 2>$null
    } catch {
        return ''
    }
    if ($LASTEXITCODE -ne 0) { return '' }
    return [string]($said | Select-Object -First 1)
}

# Runs a program that has to succeed.
function Invoke-Step([string]$What, [string]$Program, [string[]]$Arguments) {
    # Its progress goes to stderr, which Windows PowerShell must not take for a failure.
    $ErrorActionPreference = 'Continue'
    & $Program @Arguments
    if ($LASTEXITCODE -ne 0) {
        Stop-WithAdvice "$What failed with exit code $LASTEXITCODE." 'The lines above say why.'
    }
}

# A Python that Solo runs on, as a path; '' when there is none.
function Find-Python {
    $probe = "import sys; print(sys.executable if (3, 11) <= sys.version_info < (3, 14) else '')"
    if ($Python) { return Get-Answer $Python @('-c', $probe) }
    if (Get-Command py -ErrorAction SilentlyContinue) {
        foreach ($version in '-3.13', '-3.12', '-3.11') {
            $found = Get-Answer 'py' @($version, '-c', $probe)
            if ($found) { return $found }
        }
    }
    foreach ($name in 'python', 'python3') {
        if (Get-Command $name -ErrorAction SilentlyContinue) {
            # The Microsoft Store's stand-in of this name fails, and is passed over.
            $found = Get-Answer $name @('-c', $probe)
            if ($found) { return $found }
        }
    }
    return ''
}

function Test-Compiler {
    if (Get-Command cl.exe -ErrorAction SilentlyContinue) { return $true }
    # Where the installer of every Visual Studio since 2017 puts it.
    if (-not ${env:ProgramFiles(x86)}) { return $false }
    $vswhere = Join-Path ${env:ProgramFiles(x86)} 'Microsoft Visual Studio\Installer\vswhere.exe'
    if (-not (Test-Path -LiteralPath $vswhere)) { return $false }
    $tools = 'Microsoft.VisualStudio.Component.VC.Tools.x86.x64'
    return [bool](Get-Answer $vswhere @('-latest', '-products', '*', '-requires', $tools, '-property', 'installationPath'))
}

function Test-UpToDate {
    if (-not ((Test-Path -LiteralPath $Stamp) -and (Test-Path -LiteralPath $VenvPython))) { return $false }
    $installed = (Get-Item -LiteralPath $Stamp).LastWriteTimeUtc
    foreach ($name in 'requirements.lock', 'pyproject.toml') {
        if ((Get-Item -LiteralPath (Join-Path $Root $name)).LastWriteTimeUtc -gt $installed) { return $false }
    }
    return $true
}

function Install-Everything {
    if (-not (Test-Path -LiteralPath $VenvPython)) {
        $found = Find-Python
        if (-not $found) {
            Stop-WithAdvice 'No Python 3.11, 3.12 or 3.13 was found.' `
                'Install one (winget install Python.Python.3.12), or name it with -Python.'
        }
        Write-Host "making .venv with $found"
        Invoke-Step 'Making the virtual environment' $found @('-m', 'venv', $Venv)
    }
    $known = Get-Answer $VenvPython @('-c', "import importlib.util as u; print(u.find_spec('llama_cpp') or '')")
    if (-not $known -and -not (Test-Compiler)) {
        Stop-WithAdvice 'No C++ compiler was found, and llama.cpp has to be compiled once.' `
            'Install the Visual Studio Build Tools with the workload "Desktop development with C++".'
    }
    Write-Host 'installing the locked dependencies; the first time llama.cpp is compiled, which takes some minutes'
    Invoke-Step 'Installing uv' $VenvPython @(
        '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', "uv==$UvVersion")
    Invoke-Step 'Installing the dependencies' $VenvPython @((Join-Path $Root 'scripts\install.py'))
    Set-Content -LiteralPath $Stamp -Value (Get-Date -Format o)
}

Push-Location -LiteralPath $Root
try {
    if (-not (Test-UpToDate)) { Install-Everything }
    if (-not $NoHooks -and (Test-Path -LiteralPath (Join-Path $Root '.git'))) {
        Invoke-Step 'Installing the Git hooks' $VenvPython @('-m', 'pre_commit', 'install')
    }
} finally {
    Pop-Location
}
exit 0
