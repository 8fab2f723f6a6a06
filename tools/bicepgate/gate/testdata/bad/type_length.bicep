@description('Base.')
@maxLength(3)
param base string = 'ledger' // ERROR: above the most

@description('The value.')
output base string = base
