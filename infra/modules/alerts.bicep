// What somebody has to know before the tenant forgets. Each rule asks the app's own logs, in the words that the handler and the host write.
@description('Base of the names.')
param baseName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Log Analytics workspace with the app\'s logs.')
param workspaceId string

@description('Name of the app.')
param appName string

@description('Who gets a mail.')
param emails string[]

var rules = [
  {
    name: 'archive-stale'
    title: 'Entra Ledger: the archive is stale'
    about: 'No run of archivelogs succeeded for an hour: timers are silent, or each run fails. What Graph forgets meanwhile is lost. See docs/runbook.md, "Behind".'
    severity: 1
    query: 'AppRequests | where AppRoleName == "${appName}" and Name == "archivelogs" and Success == true'
    operator: 'LessThan'
    threshold: 1
    frequency: 'PT15M'
    window: 'PT1H'
  }
  {
    name: 'invocations-failed'
    title: 'Entra Ledger: invocations fail'
    about: 'A timer\'s run failed three times within half an hour. See docs/runbook.md; GET /api/coverage tells which stream and why.'
    severity: 2
    query: 'AppRequests | where AppRoleName == "${appName}" and Success == false and Name in ("archivelogs", "snapshotdirectory", "indexarchive", "purgearchive")'
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
    query: 'AppTraces | where AppRoleName == "${appName}" and Message contains "trying again" and Message contains "throttled"'
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
    query: 'union (AppTraces | where AppRoleName == "${appName}" | project Text = Message), (AppExceptions | where AppRoleName == "${appName}" | project Text = OuterMessage) | where Text has "handler exited with code" or Text has "Exceeded http worker restart retry count" or Text has "A function timeout has occurred"'
    operator: 'GreaterThanOrEqual'
    threshold: 3
    frequency: 'PT15M'
    window: 'PT1H'
  }
]

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${baseName}'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'EntraLedger'
    enabled: true
    emailReceivers: [for (email, i) in emails: {
      name: 'mail-${i}'
      emailAddress: email
      useCommonAlertSchema: true
    }]
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
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
    // The tables appear with the first logs: a query of one that is not there yet is no mistake.
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
}]

@description('Names of the alert rules.')
output names string[] = [for rule in rules: 'alert-${rule.name}-${baseName}']
