// The longest name there may be, with everything that is named after it.
using '../main.bicep'

param cloud = 'AzureCloud'
param name = 'ledgerledge'
param network = 'private'
param auditArchiveAccess = true
