// What somebody has to know before the tenant forgets. Each rule asks the app's own logs, in the words that the handler and the host write.
import { tagValues } from '../types.bicep'

@description('Base of the names.')
param baseName string

@description('Region.')
param location string

@description('Tags.')
param tags tagValues

@description('Log Analytics workspace with the app\'s logs.')
param workspaceId string

@description('Name of the app.')
param appName string

@description('Who gets a mail.')
param emails string[]

// A table appears with its first row. Until then a query of it would be refused on a new workspace, now and then in spite of skipQueryValidation: so each
// query starts from an empty table of the same form.
var requests = 'union isfuzzy=true (datatable(TimeGenerated: datetime, AppRoleName: string, Name: string, Success: bool)[]), AppRequests | where AppRoleName == "${appName}"'
var traces = 'union isfuzzy=true (datatable(TimeGenerated: datetime, AppRoleName: string, Message: string)[]), AppTraces | where AppRoleName == "${appName}"'
var exceptions = 'union isfuzzy=true (datatable(TimeGenerated: datetime, AppRoleName: string, OuterMessage: string)[]), AppExceptions | where AppRoleName == "${appName}"'
var operations = 'union isfuzzy=true (datatable(TimeGenerated: datetime, Category: string, Detail: string)[]), _LogOperation'

var timers = '"archivelogs", "snapshotdirectory", "indexarchive", "purgearchive"'

// 143 is the end by the platform's SIGTERM, 200 the one that the host takes as a wish to be started again: neither is a fault.
var ended = '(Text has "handler exited with code" and Text !contains "exited with code 143" and Text !contains "exited with code 200")'

var rules = [
  {
    name: 'archive-stale'
    title: 'Entra Ledger: the archive is stale'
    about: 'No run of archivelogs succeeded for an hour: timers are silent, or each run fails. What Graph forgets meanwhile is lost. If log-cap fires as well, only the logs are missing. See docs/runbook.md, "Behind".'
    severity: 1
    query: '${requests} | where Name == "archivelogs" and Success == true'
    operator: 'LessThan'
    threshold: 1
    frequency: 'PT15M'
    window: 'PT1H'
  }
  {
    name: 'timers-silent'
    title: 'Entra Ledger: a timer is silent'
    about: 'A timer did not run for two days, while others did. A schedule that fires less than once in two days makes this alert, too. See docs/runbook.md, "Behind".'
    severity: 2
    query: 'let runs = materialize(${requests} | where Name in (${timers}) | summarize First = min(TimeGenerated) by Name); let oldest = toscalar(runs | summarize min(First)); datatable(Name: string)[${timers}] | join kind=leftanti runs on Name | where oldest < ago(40h)'
    operator: 'GreaterThanOrEqual'
    threshold: 1
    frequency: 'PT6H'
    window: 'P2D'
  }
  {
    name: 'invocations-failed'
    title: 'Entra Ledger: invocations fail'
    about: 'A timer\'s run failed three times within half an hour. See docs/runbook.md; GET /api/coverage tells which stream and why.'
    severity: 2
    query: '${requests} | where Success == false and Name in (${timers})'
    operator: 'GreaterThanOrEqual'
    threshold: 3
    frequency: 'PT15M'
    window: 'PT30M'
  }
  {
    name: 'throttled'
    title: 'Entra Ledger: Graph throttles the app'
    about: 'Microsoft Graph turned requests away 20 times within an hour: something else uses this app\'s ceiling, or GRAPH_REQUESTS_PER_10S is above it. See docs/runbook.md, "Throttled".'
    severity: 3
    query: '${traces} | where Message contains "trying again" and Message contains "throttled"'
    operator: 'GreaterThanOrEqual'
    threshold: 20
    frequency: 'PT30M'
    window: 'PT1H'
  }
  {
    name: 'handler-restarting'
    title: 'Entra Ledger: the handler restarts again and again'
    about: 'The program ended by itself or was killed for a time-out three times within an hour. See docs/runbook.md, "Restarting".'
    severity: 2
    query: 'union (${traces} | project Text = Message), (${exceptions} | project Text = OuterMessage) | where ${ended} or Text has "Exceeded http worker restart retry count" or Text has "A function timeout has occurred"'
    operator: 'GreaterThanOrEqual'
    threshold: 3
    frequency: 'PT15M'
    window: 'PT1H'
  }
  {
    name: 'log-cap'
    title: 'Entra Ledger: the day\'s cap of Log Analytics is reached'
    about: 'Logs of the app are dropped until the next day, and the other alerts see nothing. The archive goes on. Raise logDailyCapGb, or find out what writes so much. See docs/runbook.md, "No logs".'
    severity: 2
    query: '${operations} | where Category =~ "Ingestion" and Detail contains "OverQuota"'
    operator: 'GreaterThanOrEqual'
    threshold: 1
    frequency: 'PT1H'
    window: 'PT6H'
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${baseName}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'EntraLedger'
    enabled: true
    emailReceivers: [
      for (email, i) in emails: {
        name: 'mail-${i}'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

// Newer versions reach the national clouds later, and add nothing that is used here.
#disable-next-line use-recent-api-versions
resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for rule in rules: {
    name: 'alert-${rule.name}-${baseName}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: rule.title
      description: rule.about
      severity: rule.severity
      enabled: true
      scopes: [
        workspaceId
      ]
      evaluationFrequency: rule.frequency
      windowSize: rule.window
      autoMitigate: true
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: rule.query
            timeAggregation: 'Count'
            operator: rule.operator
            threshold: rule.threshold
            failingPeriods: {
              numberOfEvaluationPeriods: 1
              minFailingPeriodsToAlert: 1
            }
          }
        ]
      }
      actions: {
        actionGroups: [
          group.id
        ]
      }
    }
  }
]

@description('Names of the alert rules.')
output names string[] = [for rule in rules: 'alert-${rule.name}-${baseName}']
