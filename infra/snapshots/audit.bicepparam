// Each access to the archive is logged, by another release than the template's own.
using '../main.bicep'

param cloud = 'AzureCloud'
param auditArchiveAccess = true
param release = 'v9.8.7-rc.1'
