// The longest name there may be, with everything that is named after it, and tags that DNS zones don't take.
using '../main.bicep'

param cloud = 'AzureCloud'
param name = 'ledgerledge'
param network = 'private'
param auditArchiveAccess = true
param tags = {
  'cost centre': '4711'
  '2nd (owner)': 'ada & alan'
}
