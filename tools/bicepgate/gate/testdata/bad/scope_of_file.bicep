targetScope = 'resourcegroup' // ERROR: is none
