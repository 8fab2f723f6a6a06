// What types, lengths and lists can't say of a parameter. Each function gives what is wrong with one, and what to give instead; an empty text: nothing.
// They compile into the template itself, so it is the template that refuses. Of && and || both sides may be evaluated: none fails on a text of another form.

@description('name, where it is no base of names.')
@export()
func wrongName(text string) string =>
  hasOnly(text, 'abcdefghijklmnopqrstuvwxyz0123456789')
    ? ''
    : 'name is "${text}": it may have lower-case letters and digits only'

@description('archiveAccountName, where it is neither empty nor the name of a storage account.')
@export()
func wrongAccountName(text string) string =>
  empty(text) || length(text) >= 3 && length(text) <= 24 && hasOnly(text, 'abcdefghijklmnopqrstuvwxyz0123456789')
    ? ''
    : 'archiveAccountName is "${text}": give 3 to 24 lower-case letters and digits, or nothing'

// Names of tags of storage accounts have 128 characters at most. The deployment's own tags are there as well, and names differ by more than their case.
@description('tags, where a name can\'t be one, or where there are too many.')
@export()
func wrongTags(tags { *: string }) string =>
  length(tags) > 48
    ? 'tags has ${length(tags)} tags: give 48 at most, two more are added'
    : empty(filter(items(tags), tag => !isTagName(tag.key)))
        ? ''
        : 'tags has the names "${join(map(filter(items(tags), tag => !isTagName(tag.key)), tag => tag.key), '", "')}": give 1 to 128 characters and none of <>%&\\?/, and leave Part and EntraLedger to the deployment'

@description('A schedule, where it has not six fields.')
@export()
func wrongSchedule(parameter string, text string) string =>
  length(filter(split(text, ' '), field => !empty(field))) == 6 && hasOnly(
      toLower(text),
      '0123456789*,-/ abcdefghijklmnopqrstuvwxyz'
    )
    ? ''
    : '${parameter} is "${text}": give an NCRONTAB of six fields, as 0 */5 * * * *'

@description('Ids, where one is none.')
@export()
func wrongIds(parameter string, ids string[], what string) string =>
  empty(filter(ids, id => !isId(id)))
    ? ''
    : '${parameter} has "${join(filter(ids, id => !isId(id)), '", "')}": give ${what}, as 1f2e3d4c-0000-4000-8000-000000000001'

@description('alertEmails, where one is no mail address: one @, a name before it, and a domain of two parts or more behind it.')
@export()
func wrongEmails(addresses string[]) string =>
  empty(filter(addresses, address => !isMailAddress(address)))
    ? ''
    : 'alertEmails has "${join(filter(addresses, address => !isMailAddress(address)), '", "')}", which is no mail address: give one as it@contoso.com'

@description('networkAddressPrefix, where it is no network of 256 addresses.')
@export()
func wrongNetwork(text string) string =>
  endsWith(text, '.0/24') && length(split(text, '/')) == 2 && isIPv4(split(text, '/')[0])
    ? ''
    : 'networkAddressPrefix is "${text}": give a network of 256 addresses, as 10.90.0.0/24'

@description('release, where it is no tag of one: v, three numbers with points between, and perhaps a hyphen and more.')
@export()
func wrongRelease(text string) string =>
  take(text, 1) == 'v' && isVersion(split(skip(text, 1), '-')[0]) && !endsWith(text, '-') && hasOnly(
      toLower(text),
      '0123456789abcdefghijklmnopqrstuvwxyz.-'
    )
    ? ''
    : 'release is "${text}": give the tag of a release, as v1.2.3'

// The address may hold a secret, so it is not repeated.
@description('packageUri, where it does not begin as one that is encrypted.')
@export()
func wrongPackage(text string) string =>
  startsWith(text, 'https://') && length(text) > length('https://') && !contains(text, ' ')
    ? ''
    : 'packageUri is no address that starts with https://: give one'

func hasOnly(text string, characters string) bool =>
  empty(filter(range(0, length(text)), i => !contains(characters, substring(text, i, 1))))

func hasNone(text string, characters string) bool =>
  empty(filter(range(0, length(characters)), i => contains(text, substring(characters, i, 1))))

func isTagName(text string) bool =>
  !empty(text) && length(text) <= 128 && hasNone(text, '<>%&\\?/') && (text == toLower(text) || !contains(
    ',entraledger,part,',
    ',${toLower(text)},'
  ))

func isId(text string) bool =>
  join(map(split(text, '-'), part => string(length(part))), ',') == '8,4,4,4,12' && hasOnly(
    text,
    '0123456789abcdefABCDEF-'
  )

func isMailAddress(text string) bool =>
  length(split(text, '@')) == 2 && !empty(split(text, '@')[0]) && isDomain(last(split(text, '@'))!) && hasNone(
    text,
    ' ,;:<>()[]"\\'
  )

func isDomain(text string) bool => length(split(text, '.')) >= 2 && !contains(split(text, '.'), '')

func isVersion(text string) bool =>
  length(split(text, '.')) == 3 && !contains(split(text, '.'), '') && hasOnly(text, '0123456789.')

func isIPv4(text string) bool =>
  length(split(text, '.')) == 4 && empty(filter(
    split(text, '.'),
    part => !contains(map(range(0, 256), number => string(number)), part)
  ))
