// A later deployment, after the policy of the heads was locked.
using '../main.bicep'

param cloud = 'AzureCloud'
param headsLocked = true
