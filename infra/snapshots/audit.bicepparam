// Each access to the archive is logged.
using '../main.bicep'

param cloud = 'AzureCloud'
param auditArchiveAccess = true
