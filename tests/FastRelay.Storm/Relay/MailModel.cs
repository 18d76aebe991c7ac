namespace FastRelay.Storm;

/// <summary>What a client knows of its message.</summary>
internal enum MailState
{
    /// <summary>The final dot was not sent: nobody may ever get it.</summary>
    Unsent,

    /// <summary>The final dot was sent and no reply came: it is delivered to all or to nobody.</summary>
    InDoubt,

    /// <summary>250: delivered, bounced or queued, whatever happens.</summary>
    Acknowledged,

    /// <summary>4xx or 5xx: nobody may get it.</summary>
    Refused,
}

/// <summary>One accepted recipient of a message.</summary>
internal sealed class MailRecipient(string mailbox, string notify = "", string original = "")
{
    public string Mailbox => mailbox;

    /// <summary>NOTIFY as the client gave it, in the order in which the relay writes it; empty when it gave none.</summary>
    public string Notify => notify;

    /// <summary>Its sender wants to hear when it fails.</summary>
    public bool WantsFailure => notify.Length == 0 || notify.Contains("FAILURE", StringComparison.Ordinal);

    /// <summary>The parameters that a host with DSN must be told.</summary>
    /// <param name="utf8">MAIL said SMTPUTF8, so that ORCPT stands as it is; else in its form of 7 bits.</param>
    public string DsnTo(bool utf8)
    {
        string address = utf8 ? original : original.Replace("\u00F6", @"\x{F6}", StringComparison.Ordinal);
        return (notify.Length > 0 ? "NOTIFY=" + notify : "") + (notify.Length > 0 && original.Length > 0 ? " " : "") + (original.Length > 0 ? "ORCPT=" + address : "");
    }

    public string Domain { get; } = mailbox[(mailbox.IndexOf('@', StringComparison.Ordinal) + 1)..];

    /// <summary>How often a sink took it.</summary>
    public int Deliveries { get; set; }

    /// <summary>Something happened since it was taken that may have kept the relay from learning of it.</summary>
    public bool Doubt { get; set; }

    /// <summary>The relay logged it as delivered, when so many groups were durable; -1 when it did not, or forgot in a crash.</summary>
    public long LoggedAtGroup { get; set; } = -1;

    /// <summary>That outcome is durable: it must never be sent again.</summary>
    public bool Settled { get; set; }

    /// <summary>Different notifications that named it.</summary>
    public HashSet<string> Bounces { get; } = [];

    /// <summary>Ids of the reports that it went to a host without DSN.</summary>
    public HashSet<string> Relayed { get; } = [];

    /// <summary>Ids of the reports of its delay.</summary>
    public HashSet<string> Warnings { get; } = [];

    /// <summary>The relay logged it as failed for good.</summary>
    public bool Failed { get; set; }

    /// <summary>The relay logged that nobody can be told.</summary>
    public bool Dropped { get; set; }

    /// <summary>Logged as delivered before a stop that was clean, as far as the relay said.</summary>
    public bool SettledIfClean { get; set; }

    /// <summary>The operator holds it, as far as the model knows; null when it does not.</summary>
    public bool? Held { get; set; } = false;

    /// <summary>Attempts that were logged as deferred in this life, each with the durable groups of that moment.</summary>
    public List<(long Group, int Attempts)> Deferrals { get; } = [];

    /// <summary>Attempts that the journal remembers for certain.</summary>
    public int CertainAttempts { get; set; }

    /// <summary>After a restart: no attempt before this moment, ms; 0 when nothing is known.</summary>
    public long NotBeforeMs { get; set; }

    /// <summary>The journal said at the start that the operator fails it: it is not offered any more in this life.</summary>
    public bool MustBounce { get; set; }

    public bool IsAccounted => Deliveries > 0 || Bounces.Count > 0 || Dropped;
}

/// <summary>One message as a client sent it.</summary>
internal sealed class MailMessage(string token, string sender, byte[] content)
{
    /// <summary>Instead of a number of groups: what the operator does has not come back yet.</summary>
    public const long UnderWay = long.MaxValue / 2;

    public string Token => token;

    /// <summary>The reverse-path; empty for the null path.</summary>
    public string Sender => sender;

    public byte[] Content => content;

    public ulong ContentHash { get; } = SimTrace.HashOf(content);

    /// <summary>RET and ENVID as the client gave them; empty when it gave none.</summary>
    public string Dsn { get; init; } = "";

    /// <summary>A recipient is not ASCII: only hosts with SMTPUTF8 may have it.</summary>
    public bool NeedsUtf8 => Recipients.Exists(static one => !System.Text.Ascii.IsValid(one.Mailbox));

    /// <summary>The id that the relay gave it, as logged; empty when it never was accepted.</summary>
    public string Id { get; set; } = "";

    public MailState State { get; set; }

    /// <summary>The relay's durable groups when it refused; -1 once a later group proved that the refusal is for good.</summary>
    public long RefusedAtGroup { get; set; } = -1;

    /// <summary>The relay crashed before it could seal the refused group off: it may come back.</summary>
    public bool MayReturn { get; set; }

    /// <summary>Durable groups when the operator last held or released it; -1 when that is certain.</summary>
    public long HoldGroup { get; set; } = -1;

    /// <summary>Whose mail it is.</summary>
    public string Tenant { get; set; } = "";

    /// <summary>The operator has moved it, as far as the model knows; null when it does not.</summary>
    public bool? Moved { get; set; } = false;

    /// <summary>It was moved at some time: what was under way then may still arrive here or there.</summary>
    public bool EverMoved { get; set; }

    /// <summary>Durable groups when the operator last moved it; -1 when that is certain.</summary>
    public long MoveGroup { get; set; } = -1;

    /// <summary>When it was moved, ms.</summary>
    public long MovedMs { get; set; }

    /// <summary>The operator removes it: what was under way is not reported any more. A restart forgets that.</summary>
    public bool Removing { get; set; }

    /// <summary>The operator has it bounced: what he fails is told its sender.</summary>
    public bool Bouncing { get; set; }

    /// <summary>When it was held, ms; attempts that were under way may still end.</summary>
    public long HeldMs { get; set; }

    /// <summary>Bits of its body were flipped on the platter: it may be bounced for that, and never delivered so.</summary>
    public bool IsRotten { get; set; }

    /// <summary>The disk lost some of its records: it may be lost, and named.</summary>
    public bool IsDamaged { get; set; }

    /// <summary>Those that RCPT accepted, in the order of the envelope.</summary>
    public List<MailRecipient> Recipients { get; } = [];

    public MailRecipient? Find(string mailbox) => Recipients.Find(r => r.Mailbox == mailbox);
}
