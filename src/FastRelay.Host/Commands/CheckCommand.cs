using System.CommandLine;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Config;
using FastRelay.Host.Admin;
using FastRelay.Host.Secrets;

namespace FastRelay.Host.Commands;

/// <summary><c>fastrelay check</c>: is the configuration right, and what is in force.</summary>
public static class CheckCommand
{
    /// <summary>The command.</summary>
    public static Command Build()
    {
        var command = new TaughtCommand(
            "check",
            "Checks a configuration, prints what is in force as TOML and the memory that its limits add up to. Every error is named with its file, line and key.",
            "fastrelay check                               # what holds without a file",
            "fastrelay check --config relay.toml           # exit code 78 and one line an error when it is wrong",
            "fastrelay check -c relay.toml > effective.toml",
            "fastrelay check -c relay.toml --diff          # what `fastrelay reload` would change in the relay that runs",
            "fastrelay check -c relay.toml --network       # name servers, port 25, PTR and name: would its mail get through",
            "fastrelay check --provider-rules              # the reply rules that come with the program");
        Option<string?> config = ConfigFile.Option();
        var rules = new Option<bool>("--provider-rules") { Description = "Print the [[reply_rule]]s for large providers instead, and where they come from" };
        var diff = new Option<bool>("--diff") { Description = "Compare it with what is in force in the running relay" };
        var network = new Option<bool>("--network") { Description = "Look at what the mail needs of the network instead: name servers, port 25 (one connection to an exchanger of --domain, up to its banner), our name and its PTR" };
        var domain = new Option<string>("--domain") { HelpName = "DOMAIN", Description = "With --network: whose exchangers are asked for", DefaultValueFactory = _ => "gmail.com" };
        var reference = new Option<bool>("--reference") { Description = "Print every key with its type, default and bounds instead, as docs/CONFIG.md has it" };
        command.Options.Add(config);
        command.Options.Add(reference);
        command.Options.Add(rules);
        command.Options.Add(diff);
        command.Options.Add(network);
        command.Options.Add(domain);
        command.SetAction(result => result.GetValue(rules) ? Print(result.InvocationConfiguration.Output, ProviderRules.Text)
            : result.GetValue(reference) ? Print(result.InvocationConfiguration.Output, ConfigReference.Markdown().TrimEnd())
            : Run(result, config, result.GetValue(diff), result.GetValue(network) ? result.GetValue(domain) : null));
        return command;
    }

    private static int Print(TextWriter output, string text)
    {
        output.WriteLine(text);
        return ExitCode.Ok;
    }

    private static int Run(ParseResult result, Option<string?> option, bool diff, string? network)
    {
        string? path = diff ? ConfigFile.OfClient(result.GetValue(option)) : result.GetValue(option);
        TextWriter output = result.InvocationConfiguration.Output;
        TextWriter error = result.InvocationConfiguration.Error;
        var warnings = new List<string>();
        RelayConfig? config = ConfigFile.Load(path, error, warnings);
        if (config is null)
        {
            return ExitCode.BadConfig;
        }
        int problems = 0;
        foreach (string problem in ConfigFiles.Problems(config, path))
        {
            error.WriteLine(problem);
            problems++;
        }
        if (problems > 0)
        {
            return ExitCode.BadConfig;
        }
        foreach (string warning in warnings.Concat(ConfigFiles.Warnings(config)))
        {
            error.WriteLine($"warning: {warning}");
        }
        if (network is not null)
        {
            var check = new NetworkCheck(config, TrustStore.Prepare(config.Tls.Authorities), output);
            return check.RunAsync(network).GetAwaiter().GetResult() ? ExitCode.Ok : ExitCode.Failure;
        }
        if (diff)
        {
            return QueueCommand.Ask(result, option, (client, _) => DiffAsync(client, config, output));
        }
        output.Write(EffectiveConfig.Write(config));
        foreach (KeyPairConfig pair in config.Tls.Pairs)
        {
            using X509Certificate2 certificate = X509CertificateLoader.LoadCertificateFromFile(pair.Certificate);
            output.WriteLine($"# {pair.Certificate} is shown to who asks for {string.Join(", ", TlsFiles.Names(certificate))}{(pair.Certificate == config.Tls.Certificate ? " or for no other's name" : "")}");
        }
        output.WriteLine();
        output.WriteLine($"# Memory when every limit is reached at once: {ConfigText.ShowSize(MemoryEstimate.Total(config))}");
        foreach (MemoryPart part in MemoryEstimate.Parts(config))
        {
            output.WriteLine($"#   {ConfigText.ShowSize(part.Bytes),10}  {part.Count} x {ConfigText.ShowSize(part.EachBytes)}  {part.What}");
        }
        output.WriteLine($"# Descriptors at most: {MemoryEstimate.Descriptors(config)}");
        return ExitCode.Ok;
    }

    private static async Task<int> DiffAsync(AdminClient client, RelayConfig config, TextWriter output)
    {
        ConfigView running = await client.GetAsync("/api/config", AdminJson.Default.ConfigView)
            ?? throw new AdminClientException("the relay does not tell its configuration: is it of another release?", unreachable: false);
        IReadOnlyList<ConfigChange> changes = ConfigReload.Compare(running.Toml, EffectiveConfig.Write(config));
        await output.WriteAsync(changes.Count == 0 ? "no difference from what is in force\n" : ReloadCommand.Lines(changes));
        return ExitCode.Ok;
    }
}
