// Types that several files share.

@description('Tags: names and their values.')
@export()
type tagValues = {
  @description('Value of the tag.')
  @maxLength(256)
  *: string
}

@description('Redundancy of a storage account.')
@export()
type redundancy =
  | 'Standard_LRS'
  | 'Standard_ZRS'
  | 'Standard_GRS'
  | 'Standard_RAGRS'
  | 'Standard_GZRS'
  | 'Standard_RAGZRS'

@description('A setting of the app.')
@export()
type setting = {
  @description('Name of the setting.')
  @minLength(1)
  name: string

  @description('Its value.')
  value: string
}

@description('Settings of the app: names and their values. One that was added by hand may be a secret: no deployment\'s history shows them.')
@export()
@secure()
type settingValues = {
  @description('Value of the setting.')
  *: string
}
