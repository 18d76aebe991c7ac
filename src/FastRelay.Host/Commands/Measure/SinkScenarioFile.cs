using System.Net;
using System.Text;
using FastRelay.Config;
using FastRelay.Load;

namespace FastRelay.Host.Commands;

/// <summary>Reads a sink's scenario (TOML): what the server that it plays refuses, delays and breaks.</summary>
internal static class SinkScenarioFile
{
    private const int DelayMaxMs = 86_400_000;

    private static readonly string[] s_stages = ["banner", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot", "quit"];

    /// <summary>Reads a file; what is wrong goes to <paramref name="error"/>.</summary>
    /// <returns>Null when anything is wrong.</returns>
    public static SinkScenario? Load(string path, TextWriter error)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            error.WriteLine($"{path}: cannot be read: {e.Message}");
            return null;
        }
        SinkScenario scenario = Read(text, path, out List<ConfigError> errors);
        errors.ForEach(e => error.WriteLine(e.ToString()));
        return errors.Count == 0 ? scenario : null;
    }

    /// <summary>Reads a document; the result counts only when there is no error.</summary>
    public static SinkScenario Read(string text, string file, out List<ConfigError> errors)
    {
        List<ConfigError> found = errors = [];
        ConfigNode document = ConfigDocument.Parse(text, file, found);
        if (found.Count > 0)
        {
            return new SinkScenario();
        }
        var root = new TableReader(document, "", (line, key, message) => found.Add(new ConfigError(file, line, key, message)));
        var ideal = new SinkScenario();
        var scenario = new SinkScenario
        {
            HostName = root.Text("hostname", "mx.example.net") ?? ideal.HostName,
            Pipelining = root.Boolean("pipelining") ?? true,
            Chunking = root.Boolean("chunking") ?? true,
            Sessions = (int)(root.Integer("sessions", 0, int.MaxValue) ?? int.MaxValue),
            SessionsPerAddress = (int)(root.Integer("sessions_per_address", 0, int.MaxValue) ?? int.MaxValue),
            MessagesPerSession = (int)(root.Integer("messages_per_session", 0, int.MaxValue) ?? int.MaxValue),
            Recipients = (int)(root.Integer("recipients", 1, int.MaxValue) ?? int.MaxValue),
            MessageBytes = root.Size("message_bytes", 0, long.MaxValue) ?? 0,
            GreylistMs = root.Duration("greylist", 0, DelayMaxMs) ?? 0,
            RoundTripMs = (int)(root.Duration("round_trip", 0, DelayMaxMs) ?? 0),
            Rates = [.. (root.Tables("rate") ?? []).Select(Rate).OfType<RateRule>()],
            Faults = [.. (root.Tables("fault") ?? []).Select(Fault).OfType<FaultRule>()],
        };
        root.Finish();
        return scenario;
    }

    private static RateRule? Rate(TableReader table)
    {
        int unit = -1;
        long count = 0;
        foreach (string key in (ReadOnlySpan<string>)["connections", "messages", "recipients"])
        {
            if (table.Integer(key, 1, RateRule.CountMax) is { } given)
            {
                unit = key switch { "connections" => 0, "messages" => 1, _ => 2 };
                count = given;
            }
        }
        long window = table.Duration("window", 1, DelayMaxMs) ?? 60_000;
        int scope = Math.Max(0, table.Choice("per", "all", "address", "domain"));
        byte[]? reply = Reply(table) ?? [.. "450 4.7.0 Rate limit exceeded, try again later\r\n"u8];
        if (unit < 0)
        {
            table.Error(new ConfigNode(NodeKind.Table, table.Line), "messages", "is missing: a rate caps connections, messages or recipients, as in messages = 100");
        }
        else if ((RateScope)scope == RateScope.Domain && (RateUnit)unit != RateUnit.Recipients)
        {
            table.Error(table.Node("per")!, "per", "\"domain\" goes with recipients only: the domain is known at RCPT");
        }
        table.Finish();
        return unit < 0 ? null : new RateRule((RateUnit)unit, (RateScope)scope, (int)count, window, reply);
    }

    private static FaultRule? Fault(TableReader table)
    {
        int at = table.Choice("at", s_stages);
        byte[]? reply = Reply(table);
        int action = table.Choice("action", "stall", "close", "reset");
        long delay = table.Duration("delay", 0, DelayMaxMs) ?? 0;
        double odds = Odds(table);
        IPAddress? local = null;
        if (table.Text("address", "127.0.0.2") is { } address && !ConfigText.TryParseAddress(address, out local))
        {
            table.Error(table.Node("address")!, "address", $"must be an address of this sink; it is \"{address}\"");
        }
        string? domain = table.Text("domain", "slow.test");
        if (domain is not null && at != Array.IndexOf(s_stages, "rcpt"))
        {
            table.Error(table.Node("domain")!, "domain", "goes with at = \"rcpt\" only");
        }
        if (at < 0 && table.Node("at") is null)
        {
            table.Error(new ConfigNode(NodeKind.Table, table.Line), "at", $"is missing: one of {string.Join(", ", s_stages)}");
        }
        FaultKind kind = reply is not null ? FaultKind.Reply : action >= 0 ? FaultKind.Stall + (byte)action : FaultKind.Delay;
        if (kind == FaultKind.Delay && delay == 0)
        {
            table.Error(new ConfigNode(NodeKind.Table, table.Line), "reply", "is missing: a fault has a reply, an action (stall, close, reset) or a delay");
        }
        table.Finish();
        return at < 0 ? null : new FaultRule
        {
            At = (DialogueStage)at,
            Kind = kind,
            Reply = reply ?? [],
            DelayMs = (int)delay,
            Odds = odds,
            Local = local,
            Domain = domain is null ? null : Encoding.ASCII.GetBytes(domain.ToLowerInvariant()),
        };
    }

    /// <summary><c>odds = "5%"</c>, or 0 and 1.</summary>
    private static double Odds(TableReader table)
    {
        ConfigNode? node = table.Node("odds");
        if (node is null)
        {
            return 1;
        }
        string text = node.Text.TrimEnd('%');
        if (node.Kind is NodeKind.Text or NodeKind.Other
            && double.TryParse(text, System.Globalization.NumberStyles.Float, System.Globalization.CultureInfo.InvariantCulture, out double value)
            && value >= 0 && value <= (node.Text.EndsWith('%') ? 100 : 1))
        {
            return node.Text.EndsWith('%') ? value / 100 : value;
        }
        if (node.Kind == NodeKind.Integer && node.Integer is 0 or 1)
        {
            return node.Integer;
        }
        table.Error(node, "odds", $"must be 0.0 to 1.0, or \"0%\" to \"100%\"; it is {node.Describe()}");
        return 0;
    }

    private static byte[]? Reply(TableReader table)
    {
        if (table.Text("reply", "451 4.3.0 Try again later") is not { } reply)
        {
            return null;
        }
        bool good = reply.Length is >= 3 and <= 400 && reply[0] is >= '2' and <= '5' && char.IsAsciiDigit(reply[1]) && char.IsAsciiDigit(reply[2])
            && (reply.Length == 3 || reply[3] == ' ') && reply.All(c => c is >= ' ' and <= '~');
        if (!good)
        {
            table.Error(table.Node("reply")!, "reply", $"must be one line of a code from 200 to 599 and printable text, as in \"451 4.3.0 Try again later\"; it is \"{reply}\"");
        }
        return Encoding.ASCII.GetBytes(reply + "\r\n");
    }
}
