@description('Days.')
param days int[] = [
  1
  'two' // ERROR: expected int
]

@description('The value.')
output days array = days
