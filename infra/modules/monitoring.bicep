// Where the app's own logs and metrics go. No key opens it: both ingest from identities with a role only.
import { tagValues } from '../types.bicep'

@description('Base of the names.')
param baseName string

@description('Region.')
param location string

@description('Tags.')
param tags tagValues

@description('For how many days logs are kept.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('The most that is taken in a day, in GB.')
@minValue(1)
@maxValue(100)
param dailyCapGb int

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: 'log-${baseName}'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyCapGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${baseName}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    IngestionMode: 'LogAnalytics'
    DisableLocalAuth: true
  }
}

@description('Resource id of the workspace.')
output workspaceId string = workspace.id

@description('Connection string of the component. It names where to send, and is no secret: local authentication is off.')
output connectionString string = component.properties.ConnectionString

@description('Name of the component.')
output componentName string = component.name
