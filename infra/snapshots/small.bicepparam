// What infra/parameters/small.json deploys.
using '../main.bicep'

var file = loadJsonContent('../parameters/small.json').parameters

param cloud = 'AzureCloud'
param archiveRedundancy = file.archiveRedundancy.value
param archiveSchedule = file.archiveSchedule.value
param logRetentionDays = file.logRetentionDays.value
param logDailyCapGb = file.logDailyCapGb.value
