namespace FastRelay.Config;

/// <summary>
/// The rules that come with the program, for replies that large providers document. They stand behind those of the
/// configuration, so that one of these can be taken out of force by <c>action = "ignore"</c>.
/// </summary>
public static class ProviderRules
{
    /// <summary>The rules as a configuration would have them; each says by which public page.</summary>
    public const string Text = """
        # Replies of large providers that are about the sender as a whole, and what is done about them.
        # These hold unless deliver.provider_rules = false. A [[reply_rule]] of the configuration comes before them.

        # Gmail, "SMTP errors and codes" (support.google.com/a/answer/3726730): rate limits by address, domain or URL.
        [[reply_rule]]
        site = "google.com"
        match = '^421 4\.7\.28 '
        action = "backoff"
        for = "30m"
        [[reply_rule]]
        site = "google.com"
        match = '^421 4\.7\.0 .*(suspicious|unsolicited|rate limited|reputation)'
        action = "backoff"
        for = "30m"
        [[reply_rule]]
        site = "google.com"
        match = '^4\d\d 4\.7\.(23|26|27|29|30|32|40) '
        after = "20/10m"
        action = "slow"
        for = "30m"
        [[reply_rule]]
        site = "google.com"
        match = '^550 5\.7\.(1|28) .*(unsolicited|blocked)'
        after = "20/10m"
        action = "backoff"
        for = "1h"

        # Outlook.com and Microsoft 365, "Postmaster: troubleshooting" (sendersupport.olc.protection.outlook.com/pm) and
        # "Email non-delivery reports in Exchange Online" (learn.microsoft.com).
        [[reply_rule]]
        site = "outlook.com"
        match = '^421 .*RP-00[123]'
        action = "backoff"
        for = "30m"
        [[reply_rule]]
        site = "outlook.com"
        match = '^451 4\.7\.6(50|51) '
        action = "backoff"
        for = "30m"
        [[reply_rule]]
        site = "outlook.com"
        match = '^451 4\.7\.(5\d\d|6\d\d) '
        after = "5/10m"
        action = "slow"
        for = "15m"
        [[reply_rule]]
        site = "outlook.com"
        match = '^421 4\.3\.2 .*(concurrent connections|connection limit)'
        action = "slow"
        for = "15m"
        [[reply_rule]]
        site = "outlook.com"
        match = '^550 5\.7\.(60[6-9]|6[1-4]\d) '
        action = "suspend"
        for = "1h"
        [[reply_rule]]
        site = "outlook.com"
        match = '^550 .*\(S(3140|3150)\)'
        action = "suspend"
        for = "1h"

        # Yahoo and AOL, "SMTP error codes" (senders.yahooinc.com/smtp-error-codes): try again after some hours.
        [[reply_rule]]
        site = "yahoodns.net"
        match = '^421 .*\[TS03\]'
        action = "suspend"
        for = "4h"
        [[reply_rule]]
        site = "yahoodns.net"
        match = '^421 .*\[(TS0\d|TSS\d\d|GL01|IPTS\d\d)\]'
        action = "backoff"
        for = "1h"
        [[reply_rule]]
        site = "yahoodns.net"
        match = '^(421|451) .*(too many connections|resources temporarily unavailable)'
        after = "5/10m"
        action = "slow"
        for = "15m"
        [[reply_rule]]
        site = "yahoodns.net"
        match = '^553 5\.7\.\d .*\[(BL2[123]|BL[01]\d)\]'
        action = "suspend"
        for = "4h"

        # iCloud Mail, "Postmaster information" (support.apple.com/102322).
        [[reply_rule]]
        site = "icloud.com"
        match = '^(421|451) 4\.7\.\d .*(too many|local policy|service unavailable)'
        after = "5/10m"
        action = "slow"
        for = "15m"
        [[reply_rule]]
        site = "icloud.com"
        match = '^(421|550) .*\[CS01\]'
        after = "20/10m"
        action = "backoff"
        for = "1h"

        # Comcast, "Mail delivery error codes" (postmaster.comcast.net/mail-error-codes.html): 25 connections an address.
        [[reply_rule]]
        site = "comcast.net"
        match = '^421 .*too many sessions'
        action = "slow"
        for = "15m"
        [[reply_rule]]
        site = "comcast.net"
        match = '^4\d\d .*(RL0000\d\d|throttled)'
        action = "backoff"
        for = "1h"
        [[reply_rule]]
        site = "comcast.net"
        match = '^5\d\d .*BL0?0[01]{4}'
        action = "suspend"
        for = "2h"

        # Orange and Wanadoo, "Postmaster" (postmaster.orange.fr): codes OFR and their meaning.
        [[reply_rule]]
        site = "orange.fr"
        match = '^(421|4\d\d) .*(OFR00?4_104|too many connections)'
        action = "slow"
        for = "30m"
        [[reply_rule]]
        site = "orange.fr"
        match = '^(421|4\d\d) .*OFR'
        after = "5/10m"
        action = "backoff"
        for = "30m"

        # Any host that says in words that mail comes faster than it wants. Not what is said about one mailbox (4.2.x), about
        # room (4.3.1), about the recipients of one message (4.5.3) or the messages of one connection, or to everybody who is
        # new (greylisting).
        [[reply_rule]]
        match = '^4\d\d (4\.2\.\d |4\.3\.1 |4\.5\.3 |.*(gr[ae]y.?list|mailbox|quota|recipients|(per|this|one|single) (connection|session)))'
        action = "ignore"
        [[reply_rule]]
        match = '^4\d\d .*(rate.?limit|rate exceed|exceeded .*rate|throttl|too (fast|quickly)|slow.?down|too many (messages|mails|e-?mails)|too much mail|(message|mail|sending|hourly|daily) limit)'
        action = "pace"
        for = "4h"
        """;

    /// <summary>The same, read.</summary>
    public static IReadOnlyList<ReplyRuleConfig> All { get; } = Read();

    private static List<ReplyRuleConfig> Read()
    {
        var errors = new List<ConfigError>();
        ConfigNode root = ConfigDocument.Parse(Text, "provider rules", errors);
        Action<int, string, string> note = static (line, key, message) => Check.That(false, $"provider rules, line {line}: {key}: {message}");
        Check.That(errors.Count == 0);
        return ReplyRuleReader.Read(new TableReader(root, "", note), note, compiles: false);
    }
}
