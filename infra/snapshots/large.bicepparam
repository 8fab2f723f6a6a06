// What infra/parameters/large.json deploys.
using '../main.bicep'

var file = loadJsonContent('../parameters/large.json').parameters

param cloud = 'AzureCloud'
param archiveRedundancy = file.archiveRedundancy.value
param instanceMemoryMB = file.instanceMemoryMB.value
param archiveSchedule = file.archiveSchedule.value
param snapshotSchedule = file.snapshotSchedule.value
param headsImmutableDays = file.headsImmutableDays.value
param softDeleteDays = file.softDeleteDays.value
param logRetentionDays = file.logRetentionDays.value
param logDailyCapGb = file.logDailyCapGb.value
