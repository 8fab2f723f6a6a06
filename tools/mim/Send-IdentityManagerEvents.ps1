#Requires -Version 5.1
<#
.SYNOPSIS
Sends the event log "Identity Manager Request Log" of this server to Entra Ledger, and keeps its place.

.DESCRIPTION
Each run reads the events after the last one that was taken, and posts them in batches below 1 MiB.
The place moves forward after each batch that was answered with 200, and never before. Where the
log's newest number is below the place, the log was rebuilt: the run then begins by time, a little
before the last event that was taken. What is sent twice is counted there, and stored once.

Where everything was taken, a run ends with a mark: up to when the log was read to its end. So the
app can tell a day without requests from a server that sends nothing.

Where the app has no key for parts, it refuses requests that are split over several events, and takes
all others. The run then goes on, remembers the first such batch, and ends with an error; each later
run tries that batch first, and sends everything after it again once it is taken.

Run it every ten minutes as a scheduled task, by an account that may read the log (a member of
"Event Log Readers"). It works in Windows PowerShell 5.1 and in PowerShell 7.

.PARAMETER Address
Of the app, as https://<app>.azurewebsites.net

.PARAMETER KeyFile
A file with the function key, as Export-Clixml of a SecureString writes it: only the account that
wrote it can read it. Read-Host -AsSecureString | Export-Clixml key.xml

.PARAMETER Token
Where the app has callers authenticated: a script block that gives an access token for it, whose
application has the app role Ledger.Ingest.

.PARAMETER PlaceFile
Where the place is kept.

.EXAMPLE
.\Send-IdentityManagerEvents.ps1 -Address https://ledger.azurewebsites.net -KeyFile C:\Ledger\key.xml
#>
[CmdletBinding()]
param(
    [Parameter(Mandatory = $true)] [ValidatePattern('^(https://|http://(127\.0\.0\.1|localhost)[:/])')] [string] $Address,
    [Parameter(Mandatory = $true)] [string] $KeyFile,
    [scriptblock] $Token,
    [string] $PlaceFile = (Join-Path $env:ProgramData 'EntraLedger\mim-place.json'),
    [string] $LogName = 'Identity Manager Request Log',
    [ValidateRange(1, 1000)] [int] $ReadAtOnce = 500
)

Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

# Windows PowerShell 5.1 offers TLS 1.0 unless it is told otherwise; the app takes 1.2 and later.
[Net.ServicePointManager]::SecurityProtocol = [Net.ServicePointManager]::SecurityProtocol -bor
    [Net.SecurityProtocolType]::Tls12

# A batch stays below 1 MiB with its brackets and commas.
$mostBytes = 1MB - 1KB
$utf8 = New-Object System.Text.UTF8Encoding $false
$PlaceFile = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($PlaceFile)

function Get-Place {
    $place = [pscustomobject]@{ RecordId = [long]0; TimeCreated = ''; PartsFrom = [long]0 }
    if (Test-Path -LiteralPath $PlaceFile) {
        $kept = [IO.File]::ReadAllText($PlaceFile, $utf8) | ConvertFrom-Json
        foreach ($name in 'RecordId', 'TimeCreated', 'PartsFrom') {
            if ($kept.PSObject.Properties[$name]) { $place.$name = $kept.$name }
        }
    }
    return $place
}

# The file is written beside the old one and then takes its place: a run that is killed leaves a whole
# one.
function Set-Place([long] $RecordId, [string] $TimeCreated, [long] $PartsFrom) {
    $folder = Split-Path -Parent $PlaceFile
    if ($folder -and -not (Test-Path -LiteralPath $folder)) {
        New-Item -ItemType Directory -Path $folder | Out-Null
    }
    $text = '{{"RecordId":{0},"TimeCreated":"{1}","PartsFrom":{2}}}' -f $RecordId, $TimeCreated, $PartsFrom
    [IO.File]::WriteAllText("$PlaceFile.new", $text, $utf8)
    if (Test-Path -LiteralPath $PlaceFile) {
        [IO.File]::Replace("$PlaceFile.new", $PlaceFile, [NullString]::Value)
    }
    else {
        [IO.File]::Move("$PlaceFile.new", $PlaceFile)
    }
}

function Get-Events([string] $XPath, [switch] $Newest) {
    try {
        if ($Newest) {
            return @(Get-WinEvent -LogName $LogName -MaxEvents 1)
        }
        return @(Get-WinEvent -LogName $LogName -FilterXPath $XPath -Oldest -MaxEvents $ReadAtOnce)
    }
    catch {
        # The cmdlet throws where nothing fits.
        if ($_.FullyQualifiedErrorId -like 'NoMatchingEventsFound*') { return @() }
        throw
    }
}

# Where the event's source is not registered, there is no message: its one parameter stands in for it.
function ConvertTo-Line($Entry) {
    $message = $Entry.Message
    if ([string]::IsNullOrEmpty($message) -and $Entry.Properties.Count -gt 0) {
        $message = ($Entry.Properties | ForEach-Object { [string] $_.Value }) -join ''
    }
    $line = [ordered]@{
        EventId     = $Entry.Id
        TimeCreated = Get-Time $Entry
        Computer    = $Entry.MachineName
        RecordId    = [long] $Entry.RecordId
        Message     = [string] $message
    }
    return ($line | ConvertTo-Json -Compress)
}

function Format-Time([datetime] $Moment) {
    return $Moment.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'",
        [Globalization.CultureInfo]::InvariantCulture)
}

function Get-Time($Entry) {
    return (Format-Time $Entry.TimeCreated)
}

# PowerShell 7 reads a time in JSON as one; 5.1 leaves it a text.
function Get-Moment($Value) {
    if ($Value -is [datetime]) { return $Value.ToUniversalTime() }
    return [datetime]::Parse($Value, [Globalization.CultureInfo]::InvariantCulture,
        [Globalization.DateTimeStyles]::AdjustToUniversal -bor [Globalization.DateTimeStyles]::AssumeUniversal)
}

function Send-Batch([Collections.Generic.List[string]] $Lines) {
    $headers = @{ 'x-functions-key' = (Get-Key) }
    if ($Token) { $headers['Authorization'] = 'Bearer ' + (& $Token) }
    # Bytes, because 5.1 sends a text as ISO 8859-1.
    $bytes = $utf8.GetBytes('[' + ($Lines -join ',') + ']')
    $answer = Invoke-RestMethod -Method Post -Uri ($Address.TrimEnd('/') + '/api/mim/events') -Headers $headers `
        -ContentType 'application/json; charset=utf-8' -Body $bytes -TimeoutSec 220 -UseBasicParsing
    Write-Verbose ("{0} events: {1} accepted, {2} duplicate, {3} quarantined, {4} waiting" -f $answer.received,
        $answer.accepted, $answer.duplicate, $answer.quarantined, $answer.waiting)
}

function Get-Key {
    $secret = Import-Clixml -LiteralPath $KeyFile
    return (New-Object System.Management.Automation.PSCredential 'key', $secret).GetNetworkCredential().Password
}

# 429 and 503 are waited for. 422 says that everything was taken but parts, for which the app has no
# key: it gives $false. Anything else ends the run, and the next one begins at the same place.
function Send-Patiently([Collections.Generic.List[string]] $Lines) {
    for ($try = 1; ; $try++) {
        try {
            Send-Batch $Lines
            return $true
        }
        catch {
            $status = 0
            if ($_.Exception.PSObject.Properties['Response'] -and $_.Exception.Response) {
                $status = [int] $_.Exception.Response.StatusCode
            }
            if ($status -eq 422) { return $false }
            if ($try -ge 5 -or ($status -ne 429 -and $status -ne 503)) { throw }
            Start-Sleep -Seconds (10 * $try)
        }
    }
}

# Sends a batch and moves the place behind it. It gives $false where the batch was tried for its parts
# alone, and these are still refused.
function Complete-Batch([Collections.Generic.List[string]] $Lines, $First, $Reached) {
    $taken = Send-Patiently $Lines
    if ($script:trying) {
        $script:trying = $false
        if (-not $taken) { return $false }
        $script:partsFrom = [long] 0
    }
    elseif (-not $taken -and $script:partsFrom -eq 0) {
        $script:partsFrom = [long] $First.RecordId
    }
    Set-Place ([long] $Reached.RecordId) (Get-Time $Reached) $script:partsFrom
    return $true
}

$place = Get-Place
$last = [long] $place.RecordId
$partsFrom = [long] $place.PartsFrom
$newest = @(Get-Events -Newest)
if ($newest.Count -eq 0) {
    Write-Verbose 'the log is empty'
    return
}
$since = $null
if ([long] $newest[0].RecordId -lt $last) {
    # The log was rebuilt, and its numbers began again.
    $last = [long] 0
    $partsFrom = [long] 0
    if ($place.TimeCreated) {
        $since = (Get-Moment $place.TimeCreated).AddMinutes(-10)
        # The clock was ahead, and was set back: the time of the place says nothing.
        if ($newest[0].TimeCreated.ToUniversalTime() -lt $since) { $since = $null }
    }
}
$trying = $partsFrom -gt 0
if ($trying) { $last = $partsFrom - 1 }
$sent = 0
:reading while ($true) {
    $asked = [datetime]::UtcNow
    $xpath = "*[System[EventRecordID > $last]]"
    if ($null -ne $since) {
        $xpath = "*[System[EventRecordID > $last and TimeCreated[@SystemTime >= '{0}']]]" -f `
            $since.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", [Globalization.CultureInfo]::InvariantCulture)
    }
    $events = @(Get-Events -XPath $xpath)
    if ($events.Count -eq 0) { break }
    $lines = New-Object 'Collections.Generic.List[string]'
    $size = 2
    $first = $events[0]
    $reached = $null
    foreach ($entry in $events) {
        $line = ConvertTo-Line $entry
        $bytes = $utf8.GetByteCount($line) + 1
        if ($lines.Count -gt 0 -and $size + $bytes -gt $mostBytes) {
            if (-not (Complete-Batch $lines $first $reached)) {
                $last = [long] $place.RecordId
                continue reading
            }
            $lines.Clear()
            $size = 2
            $first = $entry
        }
        $lines.Add($line)
        $size += $bytes
        $reached = $entry
        $sent++
    }
    if (Complete-Batch $lines $first $reached) {
        $last = [long] $reached.RecordId
    }
    else {
        $last = [long] $place.RecordId
    }
}
Write-Verbose "$sent events sent"
if ($partsFrom -gt 0) {
    throw "The app refuses requests that are split over several events, from number $partsFrom on: set MIM_PARTS_KEY."
}
# The last reading found nothing more.
$mark = [ordered]@{ Computer = $newest[0].MachineName; ReadUntil = (Format-Time $asked) } | ConvertTo-Json -Compress
$lines = New-Object 'Collections.Generic.List[string]'
$lines.Add($mark)
[void] (Send-Patiently $lines)
