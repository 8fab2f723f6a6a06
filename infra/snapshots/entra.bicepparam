// Microsoft Entra authentication before the HTTP functions; sign-ins without the results of Conditional Access.
using '../main.bicep'

param cloud = 'AzureCloud'
param entraClientId = '33333333-3333-4333-8333-333333333333'
param conditionalAccessDetails = false
