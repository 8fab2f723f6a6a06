package report

// The three reports of Identity Manager's service. Their events reached Azure AD by an agent, whose
// endpoints are switched off since November 2025. Source:
// learn.microsoft.com/microsoft-identity-manager, "Working with Hybrid Reporting in Identity
// Manager".

const nothingDelivered = "no data of Identity Manager has been delivered to this archive"

func mim(name, text string) *Report {
	return &Report{Name: name, Text: text, Source: "events 4121 and 4137 of Identity Manager's service, where they are " +
		"delivered", Legacy: true, LicenseRequired: true, NoData: nothingDelivered, Columns: []Column{
		{Name: "id", Text: "ID of the event"},
		{Name: "eventTime", Text: "When", Kind: Time},
		{Name: "displayName", Text: "Name of the user"},
		{Name: "userName", Text: "Sign-in name of the user"},
	}}
}

func mimSsprActivityEvents() *Report {
	return mim("mimSsprActivityEvents", "Password resets through Identity Manager")
}

func mimSsprRegistrationActivityEvents() *Report {
	return mim("mimSsprRegistrationActivityEvents", "Registrations for password reset through Identity Manager")
}

func mimSsgmGroupActivityEvents() *Report {
	return mim("mimSsgmGroupActivityEvents", "Self-service of groups through Identity Manager")
}
