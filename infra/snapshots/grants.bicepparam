// Microsoft Graph permissions: a deployment of its own, with the permissions of main.bicep's defaults.
using '../grants.bicep'

param principalId = '66666666-6666-4666-8666-666666666666'
param permissions = [
  'AuditLog.Read.All'
  'User.Read.All'
  'Application.Read.All'
  'LicenseAssignment.Read.All'
  'Policy.Read.ConditionalAccess'
]
