// Entra Ledger in one resource group: the app, its two storage accounts, its identity and what it may do, monitoring and alerts.
// infra/deploy.sh deploys it; docs/settings.md says what the settings mean, docs/permissions.md why each permission is needed.
// Types of parameters are written out here: the portal and older clients don't follow a parameter's reference to a definition.
import {
  wrongAccountName
  wrongEmails
  wrongIds
  wrongName
  wrongNetwork
  wrongPackage
  wrongRelease
  wrongSchedule
  wrongTags
} from 'checks.bicep'
import { setting } from 'types.bicep'

targetScope = 'resourceGroup'

@description('Base of all names: lower-case letters and digits.')
@minLength(3)
@maxLength(11)
param name string = 'ledger'

@description('Region of all resources. Flex Consumption has to be offered there: az functionapp list-flexconsumption-locations.')
param location string = resourceGroup().location

@description('Which of Microsoft\'s clouds the tenant is in: the one that is deployed to, unless said otherwise.')
@allowed([
  'AzureCloud'
  'AzureUSGovernment'
  'AzureChinaCloud'
])
param cloud string = any(environment().name)

@description('Tags of all resources but DNS zones, which take few characters; those that name the deployment and the part are everywhere.')
param tags {
  @maxLength(256)
  *: string
} = {}

@description('Which streams are archived. The permissions that are granted follow from them.')
@minLength(1)
param streams (
  | 'directoryAudits'
  | 'signIns.interactiveUser'
  | 'signIns.nonInteractiveUser'
  | 'signIns.servicePrincipal'
  | 'signIns.managedIdentity'
  | 'provisioning'
  | 'customSecurityAttributeAudits')[] = [
  'directoryAudits'
  'signIns.interactiveUser'
  'signIns.nonInteractiveUser'
  'signIns.servicePrincipal'
  'signIns.managedIdentity'
  'provisioning'
]

@description('How far back the first run reaches: 30d, 36h.')
@minLength(1)
param backfill string = '30d'

@description('Ages at which every hour is read again; after the last one it is sealed.')
@minLength(1)
param passes string = '3h,24h,7d'

@description('How long the archive keeps a month: forever, or 35d to 36500d; then, with commas between, <stream>=<the same>.')
@minLength(1)
param retention string = 'forever'

@description('Legal hold: <stream or *>=<first day>/<last day>, with commas between. Empty: none.')
param hold string = ''

@description('How far behind the archive may be before its timer\'s invocation fails, so that an alert fires: 30m to 30d.')
@minLength(1)
param alertAfter string = '3h'

@description('How long one run asks Graph for pages. Keep it well below functionTimeout in host.json.')
@minLength(1)
param runBudget string = '8m'

@description('For how long a user counts as active after being restored or enabled: 0, or 1d to 90d.')
@minLength(1)
param graceAfterRestore string = '14d'

@description('This app\'s shares of Graph\'s ceiling of 5 reporting requests in 10 seconds: archive, directory snapshot.')
@minLength(1)
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

@description('Whether a function key alone opens the audits of custom security attributes. With entraClientId it changes nothing: they take the app role Ledger.ReadAttributes.')
@allowed([
  'deny'
  'allow'
])
param attributeAudits string = 'deny'

@description('Reference to the secret that encrypts parts of Identity Manager requests while they wait: @Microsoft.KeyVault(SecretUri=https://...). The app identity needs the role Key Vault Secrets User on it. Empty: parts are refused.')
param mimPartsKeyReference string = ''

@description('Redundancy of the archive. Regions without zones (West US, North Central US, West Central US, UK West, ...) refuse ZRS and GZRS.')
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

@description('Whether sign-ins carry the results of Conditional Access policies, which takes Policy.Read.ConditionalAccess. What Graph leaves out can\'t be had later.')
param conditionalAccessDetails bool = true

@description('Whether provisioning logs are read with ProvisioningLog.Read.All, where a tenant asks for it.')
param provisioningPermission bool = false

@description('Whether the membership of one of snapshotGroups is hidden, which takes Member.Read.Hidden.')
param hiddenGroups bool = false

@description('Settings of the app that no parameter is for, and that stay as they are: infra/deploy.sh hands on what was added by hand.')
@secure()
param otherSettings { *: string } = {}

@description('Which release of the app is deployed, as its tag says: v1.2.3.')
@minLength(2)
@maxLength(64)
param release string = 'v0.1.0'

@description('Address of the package with the code. Empty: none is deployed, and somebody publishes one afterwards.')
@maxLength(2048)
param packageUri string = 'https://github.com/entraledger/entraledger/releases/download/${release}/entraledger.zip'

var releasePage = 'https://github.com/entraledger/entraledger/releases/download/${release}'

// Every name and every tag hangs on this, so that nothing can be made where a parameter is wrong; and it waits for no resource, so that the deployment is
// refused when it is sent.
var mistakes = filter(
  [
    wrongName(name)
    wrongAccountName(archiveAccountName)
    wrongTags(tags)
    wrongSchedule('archiveSchedule', archiveSchedule)
    wrongSchedule('snapshotSchedule', snapshotSchedule)
    wrongSchedule('indexSchedule', indexSchedule)
    wrongSchedule('purgeSchedule', purgeSchedule)
    wrongIds('snapshotGroups', snapshotGroups, 'object ids of groups')
    wrongIds(
      'entraClientId',
      empty(entraClientId) ? [] : [entraClientId],
      'the application (client) id of an app registration'
    )
    wrongEmails(alertEmails)
    wrongNetwork(networkAddressPrefix)
    wrongRelease(release)
    empty(packageUri) ? '' : wrongPackage(packageUri)
  ],
  mistake => !empty(mistake)
)
var checkedName = empty(mistakes) ? name : fail(join(mistakes, '; '))

var suffix = take(uniqueString(resourceGroup().id, name), 8)
var baseName = '${checkedName}-${suffix}'
var hostStorageName = 'st${checkedName}${suffix}h'
var archiveStorageName = empty(archiveAccountName) ? 'st${checkedName}${suffix}a' : archiveAccountName
var identityName = 'id-${baseName}'
var allTags = union(tags, {
  entraledger: checkedName
})
var isPrivate = network == 'private'

var signIns = filter(streams, s => startsWith(s, 'signIns.'))
var graphPermissions = union(
  [
    'AuditLog.Read.All'
    'User.Read.All'
    'Application.Read.All'
    'LicenseAssignment.Read.All'
  ],
  empty(snapshotGroups) ? [] : ['GroupMember.Read.All'],
  !empty(snapshotGroups) && hiddenGroups ? ['Member.Read.Hidden'] : [],
  contains(streams, 'customSecurityAttributeAudits') ? ['CustomSecAttributeAuditLogs.Read.All'] : [],
  contains(streams, 'provisioning') && provisioningPermission ? ['ProvisioningLog.Read.All'] : [],
  conditionalAccessDetails && !empty(signIns) ? ['Policy.Read.ConditionalAccess'] : []
)

module identity 'modules/identity.bicep' = {
  params: {
    name: identityName
    location: location
    tags: union(allTags, { part: 'identity' })
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'monitoring' })
    retentionDays: logRetentionDays
    dailyCapGb: logDailyCapGb
  }
}

module hostStorage 'modules/hoststorage.bicep' = {
  params: {
    name: hostStorageName
    location: location
    tags: union(allTags, { part: 'host' })
    softDeleteDays: softDeleteDays
    isPrivate: isPrivate
  }
}

module archiveStorage 'modules/archivestorage.bicep' = {
  params: {
    name: archiveStorageName
    location: location
    tags: union(allTags, { part: 'archive' })
    redundancy: archiveRedundancy
    headsImmutableDays: headsImmutableDays
    headsLocked: headsLocked
    softDeleteDays: softDeleteDays
    locked: lockArchive
    isPrivate: isPrivate
    auditAccess: auditArchiveAccess
    workspaceId: monitoring.outputs.workspaceId
  }
}

module roles 'modules/roles.bicep' = {
  params: {
    // What-if can't predict these assignments on a first deployment; in a module of their own they hide nothing else.
    #disable-next-line what-if-short-circuiting
    principalId: identity.outputs.principalId
    hostStorageName: hostStorageName
    archiveStorageName: archiveStorageName
    componentName: 'appi-${baseName}'
  }
  dependsOn: [
    hostStorage
    archiveStorage
    monitoring
  ]
}

module privateNetwork 'modules/network.bicep' = if (isPrivate) {
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'network' })
    zoneTags: { entraledger: checkedName, part: 'network' }
    addressPrefix: networkAddressPrefix
    hostStorageId: hostStorage.outputs.id
    archiveStorageId: archiveStorage.outputs.id
  }
}

// The app comes after its roles, so that its host finds its storage open.
module app 'modules/app.bicep' = {
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'app' })
    cloud: cloud
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    hostStorageName: hostStorageName
    deploymentContainerUri: hostStorage.outputs.deploymentContainerUri
    archiveTableUri: archiveStorage.outputs.tableUri
    componentConnectionString: monitoring.outputs.connectionString
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    subnetId: isPrivate ? privateNetwork!.outputs.appSubnetId : ''
    entraClientId: entraClientId
    otherSettings: otherSettings
    packageUri: packageUri
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
      { name: 'INACTIVE_GRACE_AFTER_RESTORE', value: graceAfterRestore }
      { name: 'GRAPH_REQUESTS_PER_10S', value: graphRequests }
      { name: 'PUBLIC_BASE_URL', value: publicBaseUrl }
      { name: 'HTTP_ATTRIBUTE_AUDITS', value: attributeAudits }
      { name: 'MIM_PARTS_KEY', value: mimPartsKeyReference }
    ]
  }
  dependsOn: [
    roles
  ]
}

module alerts 'modules/alerts.bicep' = {
  params: {
    baseName: baseName
    location: location
    tags: union(allTags, { part: 'alerts' })
    workspaceId: monitoring.outputs.workspaceId
    appName: 'func-${baseName}'
    emails: alertEmails
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

@description('For Azure Cloud Shell: grants the identity what was chosen, and asks the app whether all is well. It takes a Privileged Role Administrator.')
output grantCommand string = join(
  [
    'az account set --subscription "${subscription().subscriptionId}"'
    'cd "$(mktemp -d)"'
    'curl -fsSLO "${releasePage}/{entraledger-release.zip,SHA256SUMS}"'
    'sha256sum --check --ignore-missing SHA256SUMS'
    'unzip -q entraledger-release.zip'
    'entraledger/infra/grant.sh --resource-group "${resourceGroup().name}" --app "${app.outputs.name}" ${join(graphPermissions, ' ')}'
  ],
  ' && '
)

@description('Storage account of the archive.')
output archiveAccount string = archiveStorage.outputs.name

@description('The container of the heads of the logs, whose immutability policy can be locked.')
output headsContainer string = archiveStorage.outputs.headsContainer

@description('The handler\'s settings as they were deployed.')
output appSettings setting[] = app.outputs.appSettings
