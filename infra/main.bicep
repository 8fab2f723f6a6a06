// Entra Ledger in one resource group: the app, its two storage accounts, its identity and what it may do, monitoring and alerts.
// infra/deploy.sh deploys it; docs/settings.md says what the settings mean, docs/permissions.md why each permission is needed.
targetScope = 'resourceGroup'

@description('Base of all names: lower-case letters and digits.')
@minLength(3)
@maxLength(11)
param name string = 'ledger'

@description('Region of all resources. Flex Consumption has to be offered there: az functionapp list-flexconsumption-locations.')
param location string = resourceGroup().location

@description('Which of Microsoft\'s clouds the tenant and the subscription are in.')
@allowed([
  'AzureCloud'
  'AzureUSGovernment'
  'AzureChinaCloud'
])
param cloud string = 'AzureCloud'

@description('Tags of all resources, beside those that name the deployment and the part.')
param tags object = {}

type stream = 'directoryAudits' | 'signIns.interactiveUser' | 'signIns.nonInteractiveUser' | 'signIns.servicePrincipal' | 'signIns.managedIdentity' | 'provisioning' | 'customSecurityAttributeAudits'

@description('Which streams are archived. The permissions that are granted follow from them.')
@minLength(1)
param streams stream[] = [
  'directoryAudits'
  'signIns.interactiveUser'
  'signIns.nonInteractiveUser'
  'signIns.servicePrincipal'
  'signIns.managedIdentity'
  'provisioning'
]

@description('How far back the first run reaches: 30d, 36h.')
param backfill string = '30d'

@description('Ages at which every hour is read again; after the last one it is sealed.')
param passes string = '3h,24h,7d'

@description('How long the archive keeps a month: forever, or 35d to 36500d; then, with commas between, <stream>=<the same>.')
param retention string = 'forever'

@description('Legal hold: <stream or *>=<first day>/<last day>, with commas between. Empty: none.')
param hold string = ''

@description('How far behind the archive may be before its timer\'s invocation fails, so that an alert fires: 30m to 30d.')
param alertAfter string = '3h'

@description('How long one run asks Graph for pages. Keep it well below functionTimeout in host.json.')
param runBudget string = '8m'

@description('This app\'s shares of Graph\'s ceiling of 5 reporting requests in 10 seconds: archive, directory snapshot.')
param graphRequests string = '4,1'

@description('Object ids of groups whose members can be left out of answers: break-glass and service accounts. Empty: none.')
@maxLength(20)
param snapshotGroups string[] = []

@description('When the logs are archived: NCRONTAB of six fields, UTC.')
param archiveSchedule string = '0 */5 * * * *'

@description('When the directory is read. The first run of a night begins a snapshot, the others go on with it.')
param snapshotSchedule string = '0 */10 1-6 * * *'

@description('When sealed days are indexed.')
param indexSchedule string = '0 20 * * * *'

@description('When months past their retention are dropped.')
param purgeSchedule string = '0 30 3 * * *'

@description('Base of absolute links in answers, where a custom domain or a gateway stands before the app. Empty: as forwarded.')
param publicBaseUrl string = ''

@description('Redundancy of the archive.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_RAGRS'
  'Standard_GZRS'
  'Standard_RAGZRS'
])
param archiveRedundancy string = 'Standard_ZRS'

@description('Name of the archive\'s storage account. Empty: made of name and resource group. Give the name of an archive that was moved here.')
@maxLength(24)
param archiveAccountName string = ''

@description('For how many days the heads of the logs of seals can be neither changed nor deleted.')
@minValue(1)
@maxValue(36500)
param headsImmutableDays int = 365

@description('Whether the heads\' immutability policy is locked already; infra/deploy.sh finds out.')
param headsLocked bool = false

@description('For how many days a deleted blob or container can be restored.')
@minValue(1)
@maxValue(365)
param softDeleteDays int = 30

@description('Whether a lock keeps the archive\'s storage account from being deleted.')
param lockArchive bool = true

@description('Whether each write, deletion and read of the archive\'s storage is logged, with who did it. It costs about as much as the archive.')
param auditArchiveAccess bool = false

@description('Memory of an instance, in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 512

@description('The most instances there may be: one for each timer, the others for HTTP.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('For how many days logs and metrics of the app are kept in Log Analytics.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('The most that Log Analytics takes in a day, in GB. Above it, logs of the app (not the archive) are dropped.')
@minValue(1)
@maxValue(100)
param logDailyCapGb int = 1

@description('Who gets a mail when an alert fires. Empty: the alerts show in the portal only.')
param alertEmails string[] = []

@description('public: the storage accounts answer on the internet, to identities with a role. private: through private endpoints in a network of their own.')
@allowed([
  'public'
  'private'
])
param network string = 'public'

@description('Addresses of the network, where network is private: a /24.')
param networkAddressPrefix string = '10.90.0.0/24'

@description('Client id of the app registration with which Microsoft Entra authentication stands before the HTTP functions. Empty: function keys alone.')
param entraClientId string = ''

@description('Whether Microsoft Graph permissions are granted here. It takes a Privileged Role Administrator; without one, infra/grant.sh prints what to run.')
param grantGraphPermissions bool = false

@description('Whether sign-ins carry the results of Conditional Access policies, which takes Policy.Read.All. What Graph leaves out can\'t be had later.')
param conditionalAccessDetails bool = true

@description('Whether provisioning logs are read with ProvisioningLog.Read.All, where a tenant asks for it.')
param provisioningPermission bool = false

var suffix = take(uniqueString(resourceGroup().id, name), 8)
var baseName = '${name}-${suffix}'
var allTags = union(tags, {
  entraledger: name
})
var isPrivate = network == 'private'

var signIns = filter(streams, s => startsWith(s, 'signIns.'))
var graphPermissions = union(
  [
    'AuditLog.Read.All'
    'User.Read.All'
    'Application.Read.All'
  ],
  empty(snapshotGroups) ? [] : ['GroupMember.Read.All'],
  contains(streams, 'customSecurityAttributeAudits') ? ['CustomSecAttributeAuditLogs.Read.All'] : [],
  contains(streams, 'provisioning') && provisioningPermission ? ['ProvisioningLog.Read.All'] : [],
  conditionalAccessDetails && !empty(signIns) ? ['Policy.Read.All'] : []
)

module identity 'modules/identity.bicep' = {
  name: '${deployment().name}-identity'
  params: {
    name: 'id-${baseName}'
    location: location
    tags: union(allTags, { part: 'identity' })
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: '${deployment().name}-monitoring'
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'monitoring' })
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
    principalId: identity.outputs.principalId
  }
}

module hostStorage 'modules/hoststorage.bicep' = {
  name: '${deployment().name}-hoststorage'
  params: {
    name: 'st${name}${suffix}h'
    location: location
    tags: union(allTags, { part: 'host' })
    softDeleteDays: softDeleteDays
    isPrivate: isPrivate
    principalId: identity.outputs.principalId
  }
}

module archiveStorage 'modules/archivestorage.bicep' = {
  name: '${deployment().name}-archivestorage'
  params: {
    name: empty(archiveAccountName) ? 'st${name}${suffix}a' : archiveAccountName
    location: location
    tags: union(allTags, { part: 'archive' })
    redundancy: archiveRedundancy
    headsImmutableDays: headsImmutableDays
    headsLocked: headsLocked
    softDeleteDays: softDeleteDays
    locked: lockArchive
    isPrivate: isPrivate
    principalId: identity.outputs.principalId
    auditWorkspaceId: auditArchiveAccess ? monitoring.outputs.workspaceId : ''
  }
}

module privateNetwork 'modules/network.bicep' = if (isPrivate) {
  name: '${deployment().name}-network'
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'network' })
    addressPrefix: networkAddressPrefix
    hostStorageId: hostStorage.outputs.id
    archiveStorageId: archiveStorage.outputs.id
  }
}

var subnetId = isPrivate ? privateNetwork.outputs.appSubnetId : ''

module app 'modules/app.bicep' = {
  name: '${deployment().name}-app'
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'app' })
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostStorageName: hostStorage.outputs.name
    deploymentContainerUri: hostStorage.outputs.deploymentContainerUri
    archiveTableUri: archiveStorage.outputs.tableUri
    componentConnectionString: monitoring.outputs.connectionString
    workspaceId: monitoring.outputs.workspaceId
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    subnetId: subnetId
    entraClientId: entraClientId
    settings: [
      { name: 'AZURE_CLOUD', value: cloud }
      { name: 'ARCHIVE_STREAMS', value: join(streams, ',') }
      { name: 'ARCHIVE_BACKFILL', value: backfill }
      { name: 'ARCHIVE_PASSES', value: passes }
      { name: 'ARCHIVE_RETENTION', value: retention }
      { name: 'ARCHIVE_HOLD', value: hold }
      { name: 'ARCHIVE_ALERT_AFTER', value: alertAfter }
      { name: 'ARCHIVE_RUN_BUDGET', value: runBudget }
      { name: 'ARCHIVE_SCHEDULE', value: archiveSchedule }
      { name: 'SNAPSHOT_SCHEDULE', value: snapshotSchedule }
      { name: 'INDEX_SCHEDULE', value: indexSchedule }
      { name: 'PURGE_SCHEDULE', value: purgeSchedule }
      { name: 'SNAPSHOT_GROUPS', value: join(snapshotGroups, ',') }
      { name: 'GRAPH_REQUESTS_PER_10S', value: graphRequests }
      { name: 'PUBLIC_BASE_URL', value: publicBaseUrl }
    ]
  }
}

module alerts 'modules/alerts.bicep' = {
  name: '${deployment().name}-alerts'
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'alerts' })
    workspaceId: monitoring.outputs.workspaceId
    appName: app.outputs.name
    emails: alertEmails
  }
}

module graphGrants 'modules/graph.bicep' = if (grantGraphPermissions) {
  name: '${deployment().name}-graph'
  params: {
    principalId: identity.outputs.principalId
    permissions: graphPermissions
  }
}

@description('Name of the function app, for publishing.')
output appName string = app.outputs.name

@description('Address of the API.')
output apiUrl string = 'https://${app.outputs.hostName}/api'

@description('Object id of the app\'s identity, for grants.')
output principalId string = identity.outputs.principalId

@description('Microsoft Graph application permissions that the identity needs for what was chosen.')
output graphPermissions string[] = graphPermissions

@description('Storage account of the archive.')
output archiveAccount string = archiveStorage.outputs.name

@description('The container of the heads of the logs, whose immutability policy can be locked.')
output headsContainer string = archiveStorage.outputs.headsContainer

@description('The settings of the app as they were deployed, to find out what was changed by hand since.')
output appSettings array = app.outputs.appSettings
