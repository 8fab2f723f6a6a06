type stream = 'audits' | 'signIns' | 'provisioning'

@description('Which.')
param streams stream[] = [
  'audit' // ERROR: is not one of audits, signIns, provisioning
]

@description('The value.')
output streams array = streams
