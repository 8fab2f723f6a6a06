// The tenant's own diagnostic settings, to everything but an event hub, and of other categories than by default.
using '../tenant.bicep'

param name = 'archive'
param storageAccountId = '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-logs/providers/Microsoft.Storage/storageAccounts/stlogs'
param workspaceId = '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-logs/providers/Microsoft.OperationalInsights/workspaces/log-logs'
param marketplacePartnerId = '/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-logs/providers/Microsoft.Datadog/monitors/datadog'
param categories = [
  'NetworkAccessAlerts'
  'RemoteNetworkHealthLogs'
]
