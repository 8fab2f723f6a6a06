targetScope = 'tenant'

@description('Where to.')
param workspaceId string

@description('Which.')
param categories string[] = [
  'AuditLogs'
]

resource setting 'microsoft.aadiam/diagnosticSettings@2017-04-01' = {
  name: 'archive'
  properties: {
    workspaceId: workspaceId
    logs: [for category in categories: {
      category: category
      enabled: true
    }]
  }
}
