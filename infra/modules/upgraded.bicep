// The settings and the code of an app that is there.
import { settingValues } from '../types.bicep'

@description('Name of the function app.')
param appName string

@description('The settings that it has.')
param currentSettings settingValues

@description('Address of the package with the code.')
param packageUri string

// A trigger whose schedule is no setting of the app is not loaded: so a release's names have to be there before its code. What the app has wins.
var defaults = {
  ARCHIVE_STREAMS: 'directoryAudits,signIns.interactiveUser,signIns.nonInteractiveUser,signIns.servicePrincipal,signIns.managedIdentity,provisioning'
  ARCHIVE_BACKFILL: '30d'
  ARCHIVE_PASSES: '3h,24h,7d'
  ARCHIVE_RETENTION: 'forever'
  ARCHIVE_HOLD: ''
  ARCHIVE_ALERT_AFTER: '3h'
  ARCHIVE_RUN_BUDGET: '8m'
  ARCHIVE_SCHEDULE: '0 */5 * * * *'
  SNAPSHOT_SCHEDULE: '0 */10 1-6 * * *'
  INDEX_SCHEDULE: '0 20 * * * *'
  PURGE_SCHEDULE: '0 30 3 * * *'
  SNAPSHOT_GROUPS: ''
  INACTIVE_GRACE_AFTER_RESTORE: '14d'
  GRAPH_REQUESTS_PER_10S: '4,1'
  PUBLIC_BASE_URL: ''
  HTTP_AUTHORIZATION: 'key'
  HTTP_ATTRIBUTE_AUDITS: 'deny'
  MIM_PARTS_KEY: ''
  AZURE_CLOUD: environment().name
}
var bare = contains(currentSettings, 'AzureWebJobsStorage')
  ? fail('the app has the setting AzureWebJobsStorage, which goes before its identity: remove it, and deploy this again')
  : {}
var isOurs = contains(currentSettings, 'ARCHIVE_STORAGE__tableServiceUri')
  ? {}
  : fail('${appName} is no app of Entra Ledger: it has no setting ARCHIVE_STORAGE__tableServiceUri')

// The name alone works where storage ends as in the public cloud. With the addresses alone the host may start before it knows them.
var hostStorage = environment().name == 'AzureCloud' && contains(currentSettings, 'AzureWebJobsStorage__blobServiceUri')
  ? {
      AzureWebJobsStorage__accountName: split(split(currentSettings.AzureWebJobsStorage__blobServiceUri, '//')[1], '.')[0]
    }
  : {}

resource app 'Microsoft.Web/sites@2025-03-01' existing = {
  name: appName
}

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'appsettings'
  properties: union(bare, isOurs, hostStorage, defaults, currentSettings)
}

resource package 'Microsoft.Web/sites/extensions@2025-03-01' = {
  parent: app
  name: any('onedeploy')
  properties: {
    packageUri: packageUri
    remoteBuild: false
  }
  dependsOn: [
    settings
  ]
}
