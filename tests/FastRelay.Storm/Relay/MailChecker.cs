using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;

namespace FastRelay.Storm;

/// <summary>
/// The invariants of a relay, from outside: what clients were told, what sinks took, what notifications and the log say.
/// The numbers that messages begin with are those of the design: 1 nothing acknowledged is lost, 2 nothing settled is sent again, 3 no
/// 250 before its group is durable, 4 bytes out are bytes in, 5 nobody outside the envelope, 6 limits, 7 the queue drains, 8 no event
/// is missing (<see cref="EventChecker"/>).
/// </summary>
internal sealed partial class MailChecker(SimUniverse universe)
{
    private const long HoldGraceMs = 3_600_000;
    private readonly Dictionary<string, MailMessage> _messages = [];
    private bool _stoppedCleanly;
    private long _groupsAtStop;

    /// <summary>How many groups the running relay has made durable.</summary>
    public Func<long> DurableGroups { get; set; } = static () => 0;

    /// <summary>Is this text on the platter, in a file whose name is there too?</summary>
    public Func<string, bool> IsDurable { get; set; } = static _ => true;

    /// <summary>Where mail of a domain may go.</summary>
    public required Func<string, IPEndPoint, bool> IsServed { get; init; }

    /// <summary>Which life of the relay this is.</summary>
    public int Life { get; private set; }

    /// <summary>Nothing goes wrong any more, and the relay is not stopped: everything must be answered.</summary>
    public bool IsCalm { get; set; }

    /// <summary>The disk has lost records: what was settled may be sent again, and damage may be named.</summary>
    public bool RecordsLost { get; set; }

    /// <summary>Where the operator moves mail to.</summary>
    public required IPEndPoint MovedTo { get; init; }

    /// <summary>Content of 8 bits is converted for hosts without 8BITMIME.</summary>
    public bool Converts { get; init; }

    /// <summary>Tenants that the operator has suspended or resumed: is it, is that certain, and since when.</summary>
    public Dictionary<string, (bool Stopped, bool Certain, long SinceMs)> Tenants { get; } = [];

    public IReadOnlyCollection<MailMessage> Messages => _messages.Values;

    public void Add(MailMessage message) => _messages.Add(message.Token, message);

    public MailMessage? ByToken(string token) => _messages.GetValueOrDefault(token);

    /// <summary>A client got its final reply.</summary>
    public void Replied(MailMessage message, PeerReply reply, long messageBytes)
    {
        universe.Trace.Add("final reply", message.Token, reply.Code);
        universe.Faults.Hit($"relay: final reply {reply.Code}");
        if (reply.IsPositive)
        {
            universe.Require(reply.Text.StartsWith("2.0.0 queued as ", StringComparison.Ordinal), $"an odd final reply: {reply.Text}");
            universe.Require(message.Content.Length <= messageBytes, $"6: {message.Token} of {message.Content.Length} bytes was taken");
            message.State = MailState.Acknowledged;
        }
        else
        {
            message.State = MailState.Refused;
            message.RefusedAtGroup = DurableGroups();
        }
    }

    /// <summary>A sink is offered a recipient.</summary>
    /// <param name="mailbox">The recipient.</param>
    /// <param name="at">The sink.</param>
    /// <param name="life">The life of the relay in which the connection was made: what a dead one sent may still arrive.</param>
    public void Offered(string mailbox, IPEndPoint at, int life)
    {
        if (Find(mailbox) is not { } message)
        {
            return;
        }
        long now = universe.Time.NowMs;
        MailRecipient? recipient = message.Find(mailbox);
        bool served = IsServed(mailbox[(mailbox.IndexOf('@', StringComparison.Ordinal) + 1)..], at);
        bool moved = message.EverMoved && at.Equals(MovedTo);
        universe.Require(served || moved, $"5: {mailbox} was offered to {at}");
        if (recipient is null || life != Life)
        {
            return;
        }
        universe.Require(!recipient.MustBounce, $"{mailbox} was offered, and before the start the operator has failed it");
        universe.Require(recipient.Held != true || now - message.HeldMs < HoldGraceMs, $"{mailbox} is held and was offered");
        universe.Require(
            message.Moved is null || (message.Moved.Value ? moved : served) || now - message.MovedMs < HoldGraceMs,
            $"{mailbox} was offered to {at}, where the operator {(message.Moved == true ? "has moved it away from" : "does not want it any more")}");
        universe.Require(
            !Tenants.TryGetValue(message.Tenant, out (bool Stopped, bool Certain, long SinceMs) tenant) || !tenant.Stopped || !tenant.Certain || now - tenant.SinceMs < HoldGraceMs,
            $"{mailbox} was offered, and its tenant \"{message.Tenant}\" is suspended");
        if (moved && !served)
        {
            universe.Faults.Hit("relay: moved mail offered");
        }
        universe.Require(now + 1_500 >= recipient.NotBeforeMs, $"{mailbox} is tried again {recipient.NotBeforeMs - now} ms before it is due");
    }

    /// <summary>A sink took a message for a recipient.</summary>
    /// <param name="sender">The reverse-path.</param>
    /// <param name="mailboxes">For whom.</param>
    /// <param name="content">What came.</param>
    /// <param name="sevenBit">It must be ASCII: the host does not take 8 bits, and the relay converts.</param>
    /// <returns>The recipients that it counted for; the session marks them when it ends in doubt.</returns>
    public List<MailRecipient> Taken(string sender, IReadOnlyList<string> mailboxes, byte[] content, bool sevenBit)
    {
        if (sender.Length == 0 && MailText.Header(content).Contains("report-type=delivery-status", StringComparison.Ordinal))
        {
            TakenBounce(mailboxes, content);
            return [];
        }
        var taken = new List<MailRecipient>();
        foreach (string mailbox in mailboxes)
        {
            MailMessage? message = Find(mailbox);
            if (message is null)
            {
                universe.Require(false, $"5: {mailbox} got a message that nobody sent");
                continue;
            }
            MailRecipient? recipient = message.Find(mailbox);
            universe.Require(recipient is not null, $"5: {mailbox} was not accepted and got {message.Token}");
            universe.Require(message.Sender == sender, $"4: {message.Token} has another sender now: {sender}");
            CheckContent(message, content, sevenBit);
            if (recipient is not null)
            {
                CheckState(message, recipient);
                recipient.Deliveries++;
                taken.Add(recipient);
            }
        }
        return taken;
    }

    /// <summary>A line of the relay's log.</summary>
    public void Logged(string line)
    {
        if (AcceptLine().Match(line) is { Success: true } accept)
        {
            Accepted(accept.Groups[1].Value, accept.Groups[2].Value.Trim('"'));
            return;
        }
        if (line.Contains("event=stuck", StringComparison.Ordinal))
        {
            universe.Require(false, $"7: {line}");
        }
        else if (line.Contains("event=unreadable", StringComparison.Ordinal) && line.Contains("status=corrupt", StringComparison.Ordinal))
        {
            universe.Faults.Hit("relay: damaged body");
            universe.Require(RecordsLost || _messages.Values.Any(static m => m.IsRotten), $"4: damage where nothing rotted: {line}");
        }
        else if (DeliveryLine().Match(line) is { Success: true } delivery)
        {
            Attempted(delivery);
        }
    }

    /// <summary>
    /// The relay is gone, by a crash or, with <paramref name="cleanly"/>, after it said that it stopped: whether it could
    /// write everything then, the next start says.
    /// </summary>
    public void Stopped(bool cleanly)
    {
        _stoppedCleanly = cleanly;
        long groups = _groupsAtStop = DurableGroups();
        Life++;
        foreach (MailMessage message in _messages.Values)
        {
            message.MayReturn |= message.RefusedAtGroup >= 0 && message.RefusedAtGroup == groups;
            message.RefusedAtGroup = -1;
            message.Removing = false;
            message.Bouncing = false;
            message.HoldGroup = message.HoldGroup >= 0 && groups >= message.HoldGroup + 2 ? -1 : message.HoldGroup;
            message.MoveGroup = message.MoveGroup >= 0 && groups >= message.MoveGroup + 2 ? -1 : message.MoveGroup;
            foreach (MailRecipient recipient in message.Recipients)
            {
                // The group that was filling when it was logged may be lost, and the one on its way to the disk.
                recipient.SettledIfClean = recipient.LoggedAtGroup >= 0;
                recipient.Settled |= recipient.LoggedAtGroup >= 0 && groups >= recipient.LoggedAtGroup + 2;
                recipient.LoggedAtGroup = -1;
                recipient.NotBeforeMs = 0;
                recipient.MustBounce = false;
            }
        }
    }

    /// <summary>The relay is up again.</summary>
    /// <param name="cleanEnd">It found its own mark that everything had been written.</param>
    public void Started(bool cleanEnd)
    {
        bool clean = _stoppedCleanly && cleanEnd;
        foreach (MailMessage message in _messages.Values)
        {
            message.HoldGroup = clean && message.HoldGroup < MailMessage.UnderWay ? -1 : message.HoldGroup;
            message.MoveGroup = clean && message.MoveGroup < MailMessage.UnderWay ? -1 : message.MoveGroup;
            foreach (MailRecipient recipient in message.Recipients)
            {
                recipient.Settled |= clean && recipient.SettledIfClean;
                recipient.Doubt |= recipient.Deliveries > 0 && !clean;
                foreach ((long group, int attempts) in recipient.Deferrals)
                {
                    recipient.CertainAttempts = clean || _groupsAtStop >= group + 2 ? attempts : recipient.CertainAttempts;
                }
                recipient.Deferrals.Clear();
            }
        }
    }

    /// <summary>After the calm: everything acknowledged is accounted for.</summary>
    public void CheckEnd()
    {
        foreach (MailMessage message in _messages.Values)
        {
            int accounted = message.Recipients.Count(static r => r.IsAccounted);
            bool all = message.State == MailState.Acknowledged || accounted > 0;
            universe.Require(!all || accounted == message.Recipients.Count || message.IsDamaged, Missing(message));
        }
    }

    /// <summary>The message that a mailbox of the storm belongs to.</summary>
    public MailMessage? Find(string mailbox)
    {
        int dot = mailbox.IndexOf('.', StringComparison.Ordinal);
        int at = mailbox.IndexOf('@', StringComparison.Ordinal);
        return dot < 0 || at < dot ? null : _messages.GetValueOrDefault(mailbox[(dot + 1)..at]);
    }

    private static string Missing(MailMessage message) =>
        $"1: {message.Token} is {message.State} and lost for {string.Join(' ', message.Recipients.Where(static r => !r.IsAccounted).Select(static r => r.Mailbox))}";

    private void Accepted(string id, string mailbox)
    {
        if (Find(mailbox) is not { } message)
        {
            universe.Require(false, $"accepted a message to {mailbox}, which nobody sent");
            return;
        }
        message.Id = id;
        foreach (MailRecipient recipient in message.Recipients)
        {
            universe.Require(IsDurable(recipient.Mailbox), $"3: {message.Token} is accepted before {recipient.Mailbox} is on the platter");
        }
    }

    private void Attempted(Match line)
    {
        string status = line.Groups[1].Value;
        string mailbox = line.Groups[3].Value.Trim('"');
        if (Find(mailbox) is not { } message)
        {
            return;
        }
        MailRecipient? recipient = message.Find(mailbox);
        bool failed = status is "failed" or "removed";
        if (recipient is not null)
        {
            bool removed = status == "removed" || (failed && (message.Removing || (line.Groups[5].Value == "operator" && !message.Bouncing)));
            // Where success may have to be reported, it is the report that settles.
            recipient.LoggedAtGroup = status == "delivered" && !recipient.Notify.Contains("SUCCESS", StringComparison.Ordinal) ? DurableGroups() : recipient.LoggedAtGroup;
            universe.Require(!failed || (!line.Value.Contains(" code=535 ", StringComparison.Ordinal) && !line.Value.Contains(" code=454 ", StringComparison.Ordinal)), $"{mailbox} failed for a refused AUTH");
            universe.Require(!line.Value.Contains(" dsn=5.6.7 ", StringComparison.Ordinal) || message.NeedsUtf8, $"{mailbox} failed for the want of SMTPUTF8, which it does not need");
            recipient.Failed |= failed;
            recipient.Dropped |= removed || (failed && (line.Groups[2].Value == "\"\"" || !recipient.WantsFailure));
            recipient.NotBeforeMs = 0;
            if (line.Groups[5].Value == "untold")
            {
                universe.Faults.Hit("relay: put off for the rate of bounces");
            }
            else if (line.Groups[5].Value == "unproved")
            {
                // No attempt ends by it: the round goes on with a transaction of its own.
                universe.Faults.Hit("relay: refusal in flight asked again");
            }
            else if (status == "deferred")
            {
                recipient.Deferrals.Add((DurableGroups(), int.Parse(line.Groups[4].Value, CultureInfo.InvariantCulture)));
            }
        }
        else if (failed && mailbox == message.Sender)
        {
            // The notification itself failed: nobody can be told, and the log is the last to hear of it.
            universe.Faults.Hit("relay: bounce dropped");
            foreach (MailRecipient told in message.Recipients.Where(static r => r.Failed && r.Bounces.Count == 0))
            {
                told.Dropped = true;
            }
        }
    }

    private void CheckState(MailMessage message, MailRecipient recipient)
    {
        string name = $"{recipient.Mailbox} ({message.State})";
        universe.Require(message.State != MailState.Unsent, $"5: {name} was delivered and its end was never sent");
        universe.Require(message.State != MailState.Refused || message.MayReturn || RecordsLost, $"5: {name} was delivered");
        universe.Require(!recipient.Settled || RecordsLost, $"2: {name} was settled before a crash and sent again");
        universe.Require(recipient.LoggedAtGroup < 0, $"2: {name} is logged as delivered and sent again");
        universe.Require(recipient.Bounces.Count == 0 || RecordsLost, $"2: {name} was bounced and delivered");
        universe.Require(recipient.Deliveries == 0 || recipient.Doubt || RecordsLost, $"2: {name} was delivered twice without a reason");
        if (recipient.Deliveries > 0)
        {
            universe.Faults.Hit("relay: delivered again after doubt");
        }
    }

    private void CheckContent(MailMessage message, byte[] content, bool sevenBit)
    {
        universe.Require(!sevenBit || Ascii.IsValid(content), $"{message.Token} has octets of 8 bits for a host without 8BITMIME");
        byte[] original = sevenBit ? SevenBitReader.Original(content) : content;
        if (original != content)
        {
            universe.Faults.Hit("relay: converted");
            content = original;
        }
        int end = MailText.TraceEnd(content);
        universe.Require(end > 0, $"4: {message.Token} has no trace header");
        ulong hash = SimTrace.HashOf(content.AsSpan(Math.Max(0, end)));
        universe.Require(hash == message.ContentHash, $"4: {message.Token} has other bytes now");
    }

    private void TakenBounce(IReadOnlyList<string> mailboxes, byte[] content)
    {
        string text = Encoding.Latin1.GetString(content);
        string id = MessageIdField().Match(text).Groups[1].Value;
        universe.Require(id.Length > 0, "a notification without a Message-ID");
        foreach (Match match in FinalRecipient().Matches(text))
        {
            string mailbox = Escape().Replace(match.Groups[1].Value, static one => char.ConvertFromUtf32(int.Parse(one.Groups[1].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
            MailMessage? message = Find(mailbox);
            if (message?.Find(mailbox) is not { } recipient)
            {
                universe.Require(false, $"5: a notification of {mailbox}, which was never accepted");
                continue;
            }
            universe.Require(mailboxes.Count == 1 && mailboxes[0] == message.Sender, $"5: the notification of {mailbox} went to {string.Join(' ', mailboxes)}");
            int envelopeId = message.Dsn.IndexOf("ENVID=", StringComparison.Ordinal);
            universe.Require(envelopeId < 0 || text.Contains($"\r\nOriginal-Envelope-Id: {message.Dsn[(envelopeId + 6)..]}\r\n", StringComparison.Ordinal), $"the notification of {mailbox} is without its ENVID");
            Told(message, recipient, match.Groups[2].Value, id);
        }
    }

    private void Told(MailMessage message, MailRecipient recipient, string action, string id)
    {
        string mailbox = recipient.Mailbox;
        switch (action)
        {
            case "delayed":
                recipient.Warnings.Add(id);
                universe.Require(recipient.Warnings.Count == 1 || RecordsLost, $"{mailbox}: its delay was told twice");
                universe.Require(recipient.Notify.Length == 0 || recipient.Notify.Contains("DELAY", StringComparison.Ordinal), $"{mailbox}: its delay was told, and NOTIFY={recipient.Notify}");
                universe.Faults.Hit("relay: delay told");
                return;
            case "relayed":
                recipient.Relayed.Add(id);
                universe.Require(recipient.Relayed.Count == 1 || RecordsLost, $"{mailbox}: that it was passed on was told twice");
                universe.Require(recipient.Deliveries > 0 || RecordsLost, $"{mailbox}: that it was passed on was told, and it was not");
                universe.Require(recipient.Notify.Contains("SUCCESS", StringComparison.Ordinal), $"{mailbox}: that it was passed on was told, and NOTIFY={recipient.Notify}");
                universe.Faults.Hit("relay: passing on told");
                return;
            default:
                universe.Require(recipient.WantsFailure, $"{mailbox}: that it failed was told, and NOTIFY={recipient.Notify}");
                universe.Require(message.State is MailState.Acknowledged or MailState.InDoubt || message.MayReturn || RecordsLost, $"{mailbox} bounced and is {message.State}");
                universe.Require(recipient.Deliveries == 0 || recipient.Doubt || RecordsLost, $"2: {mailbox} was delivered and bounced");
                recipient.Bounces.Add(id);
                universe.Require(recipient.Bounces.Count == 1 || RecordsLost, $"2: {mailbox} was bounced twice");
                universe.Faults.Hit("relay: bounce");
                return;
        }
    }

    [GeneratedRegex(@"event=delivery status=(\w+) id=\S+ from=(\S+) to=(\S+) .*\battempts=(\d+) .*\bcause=(\S+)")]
    private static partial Regex DeliveryLine();

    [GeneratedRegex(@"event=accept id=(\S+) .*\bto=(\S+) size=")]
    private static partial Regex AcceptLine();

    [GeneratedRegex(@"^Final-Recipient: (?:rfc822|utf-8); (\S+)\r\nAction: (\w+)\r$", RegexOptions.Multiline)]
    private static partial Regex FinalRecipient();

    [GeneratedRegex(@"\\x\{(\w+)\}")]
    private static partial Regex Escape();

    [GeneratedRegex(@"^Message-ID: (\S+)\r$", RegexOptions.Multiline)]
    private static partial Regex MessageIdField();
}
