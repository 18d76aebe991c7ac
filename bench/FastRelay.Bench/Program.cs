using System.Diagnostics;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Environments;
using BenchmarkDotNet.Exporters;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Loggers;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using BenchmarkDotNet.Toolchains.NativeAot;
using FastRelay.Bench;

// Not benchmarks: what perf/scale and perf/commit need of the journal.
if (args is ["fill" or "commit", ..])
{
    return SpoolFiller.Run(args);
}

if (args is ["decide", ..])
{
    return SchedulerBenchmarks.Run(args);
}

// In this process, whose collector is set in the project file: nothing is built for a run. --aot adds the compiler that
// the product is built with, and takes minutes a class. Every other option is BenchmarkDotNet's own.
Job usual = Job.Default.WithWarmupCount(3).WithIterationCount(7);
ManualConfig config = ManualConfig.CreateEmpty()
    .AddColumnProvider(DefaultColumnProviders.Instance)
    .AddDiagnoser(MemoryDiagnoser.Default)
    .AddExporter(MarkdownExporter.GitHub)
    .AddLogger(ConsoleLogger.Default)
    .HideColumns(Column.Error, Column.Toolchain, Column.IterationCount, Column.WarmupCount)
    .AddJob(usual.WithId("JIT").WithToolchain(InProcessEmitToolchain.Instance));
if (args.Contains("--aot"))
{
    config.AddJob(usual.WithId("AOT").WithRuntime(NativeAotRuntime.Net10_0).WithToolchain(
        NativeAotToolchain.CreateBuilder().UseNuGet("", PackageSource()).TargetFrameworkMoniker("net10.0").ToToolchain()));
}
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run([.. args.Where(a => a != "--aot")], config);
return 0;

// The machine's own: BenchmarkDotNet would add one with previews that may not be reachable.
static string PackageSource()
{
    using Process list = Process.Start(new ProcessStartInfo("dotnet", ["nuget", "list", "source", "--format", "short"]) { RedirectStandardOutput = true })!;
    string enabled = list.StandardOutput.ReadToEnd().Split('\n').First(line => line.StartsWith("E ", StringComparison.Ordinal));
    return enabled[2..].Trim();
}
