package generate

import (
	"fmt"
	"strings"
)

// user is one person: what stays the same in all of its records.
type user struct {
	id, name, upn, ip string
	place             place
	device            device
	network           int  // the number of its autonomous system
	guest             bool // it signs in at its home tenant
}

type place struct {
	city, state, country, latitude, longitude string
}

type device struct {
	id, name, system, browser, agent, trust string
}

type app struct {
	id, name, principal, resource, resourceID, key string
}

// tenantID is the made-up tenant's, and partnerID that of another, from which guests come.
const (
	tenantID  = "5f3b1c9e-7d24-4a86-9b0e-2c41d8a6e713"
	partnerID = "a90c2d4f-61be-4c0d-8f57-3be1f0d2c964"
)

var (
	firstNames = []string{"Adele", "Alex", "Diego", "Isaiah", "Joni", "Lee", "Lynne", "Megan", "Miriam", "Nestor",
		"Patti", "Pradeep",
		"Zoë", "José", "Björn", "Łukasz", "Chloé", "Ngọc", "Seán", "Ólafur", "Søren", "花子", "Андрей", "Ελένη",
		"Ana\u0301"}
	lastNames = []string{"Vance", "Wilber", "Siciliani", "Langer", "Sherman", "Gu", "Robbins", "Bowen", "Graham",
		"Wilke", "Fernandez",
		"Gupta", "Müller", "Núñez", "Çelik", "山田", "O'Connor", "d’Arcy", "von der Heide", "Østergård 🚀"}
	places = []place{
		{"Bern", "Bern", "CH", "46.94809", "7.44744"}, {"Zurich", "Zurich", "CH", "47.36667", "8.55"},
		{"München", "Bayern", "DE", "48.13743", "11.57549"},
		{"Dublin", "Dublin", "IE", "53.34399", "-6.26719"}, {"Redmond", "Washington", "US", "47.67399", "-122.12151"},
		{"São Paulo", "Sao Paulo", "BR", "-23.5475", "-46.63611"},
		{"Singapore", "", "SG", "1.28967", "103.85007"}, {"Oslo", "Oslo", "NO", "59.91273", "10.74609"},
	}
	systems = [][3]string{
		{"Windows10", "Edge 131.0.0",
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 " +
				"Safari/537.36 Edg/131.0.0.0"},
		{"Windows10", "Chrome 131.0.0",
			"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 " +
				"Safari/537.36"},
		{"MacOs", "Safari 18.1",
			"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
				"Version/18.1 Safari/605.1.15"},
		{"Ios 18.1", "Mobile Safari 18.1",
			"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
				"Version/18.1 Mobile/15E148 Safari/604.1"},
		{"Android 15", "Chrome Mobile 130.0.0",
			"Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 " +
				"Mobile Safari/537.36"},
	}
	appNames = []string{"Office 365 Exchange Online", "Microsoft Teams", "Azure Portal",
		"SharePoint Online Web Client Extensibility", "Microsoft Graph PowerShell",
		"Contoso Payroll", "StoreFrontStudio [wsfed enabled]", "Salesforce", "ServiceNow", "Backup Runner",
		"HR Sync – Production", "One Outlook Web"}
	resources = []string{"Microsoft Graph", "Windows Azure Active Directory", "Office 365 SharePoint Online",
		"Azure Key Vault", "Azure Storage", "Office 365 Management APIs"}
)

func newUser(r *rand, k int) user {
	first, last := pick(r, firstNames), pick(r, lastNames)
	system := pick(r, systems)
	u := user{
		id: guid(r), name: first + " " + last, upn: fmt.Sprintf("%s%d@contoso.example", ascii(first), k), place: pick(r,
			places),
		ip:     fmt.Sprintf("%d.%d.%d.%d", 20+r.below(180), r.below(256), r.below(256), 1+r.below(254)),
		device: device{system: system[0], browser: system[1], agent: system[2]},
	}
	if r.oneIn(6) {
		u.ip = fmt.Sprintf("2001:db8:%x:%x::%x", r.below(65536), r.below(65536), 1+r.below(65535))
	}
	if !r.oneIn(3) {
		u.device.id, u.device.name, u.device.trust = guid(r), fmt.Sprintf("DESKTOP-%s",
			strings.ToUpper(token(r, 7))), pick(r, []string{"Azure AD joined", "Hybrid Azure AD joined",
			"Azure AD registered"})
	}
	u.network = pick(r, []int{3303, 6730, 8075, 3320, 7922, 2914, 13030, 15600})
	u.guest = r.oneIn(14)
	return u
}

// ascii is a name in an address: small letters, everything else left out.
func ascii(name string) string {
	out := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' {
			return c
		}
		return -1
	}, strings.ToLower(name))
	if out == "" {
		return "user"
	}
	return out
}

func newApp(r *rand, k int) app {
	a := app{id: guid(r), principal: guid(r), resource: pick(r, resources), resourceID: guid(r), key: guid(r)}
	a.name = appNames[k%len(appNames)]
	if k >= len(appNames) {
		a.name += fmt.Sprintf(" %d", k/len(appNames)+1)
	}
	return a
}

// outcome is what a sign-in came to.
type outcome struct {
	code       int
	reason     string
	details    string
	access     string
	weight     int
	riskDetail string
}

var outcomes = []outcome{
	{0, "Other.", "", "success", 930, "none"},
	{50126, "Error validating credentials due to invalid username or password.",
		"The user didn't enter the right credentials.", "notApplied", 25, "none"},
	{50074, "Strong Authentication is required.",
		"The user was presented options to provide contact options so that they can do MFA.", "failure", 15, "none"},
	{50140, "This error occurred due to 'Keep me signed in' interrupt when the user was signing-in.", "", "success", 10,
		"none"},
	{53003, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
		"", "failure", 8, "none"},
	{50055, "Invalid password, entered expired password.",
		"The user's password is expired, and therefore their login or session was ended.", "notApplied", 5, "none"},
	{50076, "Due to a configuration change made by your administrator, or because you moved to a new location, " +
		"you must use multi-factor authentication to access the " +
		"resource.", "MFA required in Azure AD", "failure", 4, "none"},
	{500121, "Authentication failed during strong authentication request.",
		"MFA denied; user declined the authentication", "failure", 3, "none"},
}

func newOutcome(r *rand) outcome {
	n := r.below(1000)
	for _, o := range outcomes {
		if n -= o.weight; n < 0 {
			return o
		}
	}
	return outcomes[0]
}
