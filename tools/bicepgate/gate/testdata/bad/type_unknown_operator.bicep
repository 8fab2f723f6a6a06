@description('The value.')
output flags int = 1 | 2 // ERROR: does not know the operator
