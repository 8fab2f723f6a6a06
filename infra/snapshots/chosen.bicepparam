// Every choice that the other cases leave at its default.
using '../main.bicep'

param cloud = 'AzureCloud'
param tags = {
  costCenter: '4711'
  part: 'not theirs to choose'
}
param streams = [
  'directoryAudits'
  'provisioning'
  'customSecurityAttributeAudits'
]
param backfill = '7d'
param passes = '6h,48h'
param retention = '400d,provisioning=35d'
param hold = '*=2026-01-01/2026-03-31'
param alertAfter = '6h'
param runBudget = '5m'
param graceAfterRestore = '30d'
param graphRequests = '3,2'
param snapshotGroups = [
  '44444444-4444-4444-8444-444444444444'
  '55555555-5555-4555-8555-555555555555'
]
param indexSchedule = '0 25 * * * *'
param purgeSchedule = '0 45 4 * * *'
param publicBaseUrl = 'https://ledger.example.com/api'
param attributeAudits = 'allow'
param archiveRedundancy = 'Standard_GZRS'
param archiveAccountName = 'stmovedhere'
param headsImmutableDays = 2555
param softDeleteDays = 45
param lockArchive = false
param instanceMemoryMB = 4096
param maximumInstanceCount = 100
param logRetentionDays = 60
param logDailyCapGb = 3
param alertEmails = [
  'ada@contoso.example'
  'alan@contoso.example'
]
param provisioningPermission = true
param hiddenGroups = true
param packageUri = 'https://packages.contoso.example/entraledger.zip'
param otherSettings = {
  MY_OWN: 'added by hand'
  archive_retention: 'the template decides this one'
}

param mimPartsKeyReference = '@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/parts)'
