using OrleansAiOs.Workflows.Tests.Engine;
using OrleansAiOs.Workflows.Tests.Explaining;

namespace OrleansAiOs.Cluster.Tests.Runs;

// What authors may rely on, relied on in a cluster: the suites of the engine, each with its runs spread over two members;
// those about what one host has in hand, with its runs beside it.

public sealed class ApprovalsOnCluster(OnCluster store) : ApprovalConformance(store), IClassFixture<OnCluster>;

public sealed class AskingOnCluster(OnCluster store) : AskingConformance(store), IClassFixture<OnCluster>;

public sealed class AttemptsOnCluster(OnCluster store) : AttemptConformance(store), IClassFixture<OnCluster>;

public sealed class CancelsOnCluster(OnCluster store) : CancelConformance(store), IClassFixture<OnCluster>;

public sealed class ChildrenOnCluster(OnCluster store) : ChildConformance(store), IClassFixture<OnCluster>;

public sealed class EffectsOnCluster(OnCluster store) : EffectConformance(store), IClassFixture<OnCluster>;

public sealed class EntitiesOnCluster(OnCluster store) : EntityConformance(store), IClassFixture<OnCluster>;

public sealed class ExplainedOnCluster(OnCluster store) : ExplainConformance(store), IClassFixture<OnCluster>;

public sealed class ForksOnCluster(OnCluster store) : ForkConformance(store), IClassFixture<OnCluster>;

public sealed class GateOnCluster(OnCluster store) : GateConformance(store), IClassFixture<OnCluster>;

public sealed class HaltingOnCluster(OnCluster store) : HaltingConformance(store), IClassFixture<OnCluster>;

public sealed class HeartbeatOnCluster(OnCluster store) : HeartbeatConformance(store), IClassFixture<OnCluster>;

public sealed class HostingOnCluster(BesideTheCaller store) : HostingConformance(store), IClassFixture<BesideTheCaller>;

public sealed class ImportOnCluster(OnCluster store) : ImportConformance(store), IClassFixture<OnCluster>;

public sealed class LimitsOnCluster(BesideTheCaller store) : LimitConformance(store), IClassFixture<BesideTheCaller>;

public sealed class LoopsOnCluster(OnCluster store) : LoopConformance(store), IClassFixture<OnCluster>;

public sealed class NamedActivityOnCluster(OnCluster store) : NamedActivityConformance(store), IClassFixture<OnCluster>;

public sealed class ParkingOnCluster(OnCluster store) : ParkingConformance(store), IClassFixture<OnCluster>;

public sealed class RepairsOnCluster(OnCluster store) : RepairConformance(store), IClassFixture<OnCluster>;

public sealed class ResetsOnCluster(OnCluster store) : ResetConformance(store), IClassFixture<OnCluster>;

public sealed class RetentionOnCluster(OnCluster store) : RetentionConformance(store), IClassFixture<OnCluster>;

public sealed class SchedulesOnCluster(OnCluster store) : ScheduleConformance(store), IClassFixture<OnCluster>;

public sealed class SpendingOnCluster(OnCluster store) : SpendingConformance(store), IClassFixture<OnCluster>;

public sealed class TenancyOnCluster(OnCluster store) : TenancyConformance(store), IClassFixture<OnCluster>;

public sealed class TreesOnCluster(OnCluster store) : TreeConformance(store), IClassFixture<OnCluster>;

public sealed class VersionsOnCluster(OnCluster store) : VersionConformance(store), IClassFixture<OnCluster>;

public sealed class WaitsOnCluster(OnCluster store) : WaitConformance(store), IClassFixture<OnCluster>;

// What goes by the time, where the members do not agree what time it is.

public sealed class AttemptsWithClocksApart(WithClocksApart store) : AttemptConformance(store), IClassFixture<WithClocksApart>;

public sealed class ChildrenWithClocksApart(WithClocksApart store) : ChildConformance(store), IClassFixture<WithClocksApart>;

public sealed class HeartbeatWithClocksApart(WithClocksApart store) : HeartbeatConformance(store), IClassFixture<WithClocksApart>;

public sealed class SchedulesWithClocksApart(WithClocksApart store) : ScheduleConformance(store), IClassFixture<WithClocksApart>;

public sealed class WaitsWithClocksApart(WithClocksApart store) : WaitConformance(store), IClassFixture<WithClocksApart>;
