@description('Base.')
@minLength(5)
@maxLength(3)
param base string // ERROR: nothing is between

@description('The value.')
output base string = base
