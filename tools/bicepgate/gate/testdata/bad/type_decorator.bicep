@description('Days.')
@minLength(5)
param days int // ERROR: minLength does not fit

@description('The value.')
output days int = days
