@description('Days.')
@minValue(7)
param days int = 3 // ERROR: below the least

output days int = days // ERROR: no description
