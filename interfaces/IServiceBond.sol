// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {IBondEngine} from "interfaces/IBondEngine.sol";
import {IComputeCapacity} from "interfaces/IComputeCapacity.sol";

/// @title The bond that stands behind a capacity's promise
/// @notice Per capacity, in its stablecoin: the operator's part, and behind it a pool of stakers
/// who insure tenants for a share of the revenue. Where machines fail, the lease engine sets a
/// penalty aside from both, the operator's part first, and pays it out to tenants as they claim it.
/// The operator's part belongs to the deed: whoever owns the deed owns it.
/// @dev All amounts are base units of the capacity's stablecoin, and all that one capacity has here
/// stays below 2^104. Epochs are the capacity's, see IComputeCapacity.
///
/// Stakers own the pool by shares, not transferable. A joining stake gets shares at
/// (shares + 10^6) / (assets + 1), a leaving one money at the inverse, both rounded down: what
/// rounding leaves stays with the pool. Penalties lower the pool's assets, rewards raise them.
/// A pool whose assets are gone, or whose price has fallen to 10^-8 of a new pool's, ends: its
/// shares are void, and the next stake begins a new pool at the price of the first. Below, the
/// pool's `generation` is the number of the reserve that ended the one before it, 0 at first.
///
/// Reserves are numbered per capacity. What is freed of one goes back to those who paid for it: to
/// the operator's part, and to the accounts that held shares at that moment, in proportion, whether
/// they still do or not (`recover`). It is theirs at once and insures no longer.
///
/// While a payee is asked for rewards, every function that changes anything reverts with
/// `Reentrancy()`; views answer with what was before.
interface IServiceBond {
    /// @notice An EIP-2612 signature of the caller, for this contract as spender.
    struct Permit {
        uint256 value;
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @param engine The lease engine that draws on this bond from now on, for good.
    event Bound(IBondEngine indexed engine);

    /// @param capacity The capacity.
    /// @param by Who paid.
    /// @param amount Base units added to the operator's part.
    event Deposited(uint256 indexed capacity, address indexed by, uint256 amount);
    /// @param capacity The capacity.
    /// @param owner The deed owner who wants to take the operator's part out.
    /// @param exitableAt Unix time from which he may, if no lease stands in the way.
    event ExitRequested(uint256 indexed capacity, address indexed owner, uint256 exitableAt);
    /// @param capacity The capacity.
    /// @param owner Whose request is gone.
    event ExitCancelled(uint256 indexed capacity, address indexed owner);
    /// @param capacity The capacity.
    /// @param owner The deed owner.
    /// @param receiver Who got the money.
    /// @param amount Base units taken from the operator's part.
    event Withdrawn(
        uint256 indexed capacity,
        address indexed owner,
        address indexed receiver,
        uint256 amount
    );

    /// @param capacity The capacity.
    /// @param account Whose stake waits.
    /// @param amount Base units added.
    /// @param joins All that the account has waiting may join once every epoch below this is over
    /// and done with.
    event Staked(uint256 indexed capacity, address indexed account, uint256 amount, uint256 joins);
    /// @param capacity The capacity.
    /// @param account Whose stake waited.
    /// @param receiver Who got it.
    /// @param amount Base units, all that waited.
    event StakeCancelled(
        uint256 indexed capacity,
        address indexed account,
        address indexed receiver,
        uint256 amount
    );
    /// @param capacity The capacity.
    /// @param account Whose stake insures from now on.
    /// @param amount Base units added to the pool.
    /// @param shares Shares made for it.
    event Joined(uint256 indexed capacity, address indexed account, uint256 amount, uint256 shares);
    /// @param capacity The capacity.
    /// @param account Who wants to leave.
    /// @param shares All that cool now, earlier ones included.
    /// @param releaseAt Unix time before which they cannot be released.
    /// @param epoch All epochs below this must be over and done with before that.
    event Unstaked(
        uint256 indexed capacity,
        address indexed account,
        uint256 shares,
        uint256 releaseAt,
        uint256 epoch
    );
    /// @param capacity The capacity.
    /// @param account Whose shares cool no more.
    event UnstakeCancelled(uint256 indexed capacity, address indexed account);
    /// @param capacity The capacity.
    /// @param account Whose cooled shares are gone.
    /// @param shares How many.
    /// @param amount Base units they brought, rounded down.
    event StakeReleased(
        uint256 indexed capacity,
        address indexed account,
        uint256 shares,
        uint256 amount
    );
    /// @param capacity The capacity.
    /// @param account Whose money was paid out.
    /// @param receiver Who got it.
    /// @param amount Base units.
    event Claimed(
        uint256 indexed capacity,
        address indexed account,
        address indexed receiver,
        uint256 amount
    );

    /// @param capacity The capacity.
    /// @param leg The leg of its splitter that paid.
    /// @param amount Base units that came.
    /// @param toPool Whether they went to the pool; if not, to the operator's part.
    event Collected(uint256 indexed capacity, uint256 indexed leg, uint256 amount, bool toPool);

    /// @param capacity The capacity.
    /// @param leg A leg of its splitter.
    /// @param known Whether `join` and `releaseStake` collect from it from now on.
    event KnownLegSet(uint256 indexed capacity, uint256 indexed leg, bool known);

    /// @param capacity The capacity.
    /// @param leg The leg of its splitter that paid.
    /// @param token Another token than the stablecoin.
    /// @param receiver Whom the deed's owner named.
    /// @param amount Base units that the splitter says it paid.
    event PassedOn(
        uint256 indexed capacity,
        uint256 indexed leg,
        address indexed token,
        address receiver,
        uint256 amount
    );

    /// @param capacity The capacity.
    /// @param epoch The epoch in penalty.
    /// @param number The reserve's number.
    /// @param wanted Base units asked for.
    /// @param ofOperator Base units set aside from the operator's part.
    /// @param ofPool Base units set aside from the pool.
    event Reserved(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 number,
        uint256 wanted,
        uint256 ofOperator,
        uint256 ofPool
    );
    /// @param capacity The capacity.
    /// @param number The reserve that ended the pool.
    /// @param residue Base units that it left; they can be recovered by those who held shares.
    event PoolEnded(uint256 indexed capacity, uint256 number, uint256 residue);
    /// @param capacity The capacity.
    /// @param epoch The epoch whose penalty this is.
    /// @param receiver Who got it.
    /// @param amount Base units.
    event PenaltyPaid(
        uint256 indexed capacity,
        uint256 indexed epoch,
        address indexed receiver,
        uint256 amount
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch whose reserve is closed.
    /// @param toOperator Base units back in the operator's part.
    /// @param toStakers Base units that those who held shares then can recover.
    event Freed(
        uint256 indexed capacity,
        uint256 indexed epoch,
        uint256 toOperator,
        uint256 toStakers
    );
    /// @param capacity The capacity.
    /// @param epoch The epoch of whose reserve something was left.
    /// @param account Who held shares then.
    /// @param amount Base units that are his to claim now.
    event Recovered(
        uint256 indexed capacity,
        uint256 indexed epoch,
        address indexed account,
        uint256 amount
    );

    /// @dev Only who deployed the bond binds its engine.
    error NotDeployer(address caller);
    /// @dev The engine is bound for good.
    error AlreadyBound(address engine);
    /// @dev The engine knows other deeds, or another bond.
    error ForeignEngine(address engine);
    /// @dev Nobody has bound the engine yet.
    error NotBound();
    /// @dev `caller` is not the lease engine.
    error NotEngine(address caller);
    /// @dev `caller` does not own the deed of `capacity`.
    error NotDeedOwner(uint256 capacity, address caller);
    /// @dev Money cannot go to nobody, or to the bond itself.
    error BadReceiver(address receiver);
    /// @dev An amount, or a number of shares, of zero.
    error ZeroAmount();
    /// @dev `asked` is more than there is.
    error NotEnough(uint256 asked, uint256 available);
    /// @dev All of a capacity's money stays below 2^104: `room` is what can still be added.
    error TooMuch(uint256 capacity, uint256 amount, uint256 room);
    /// @dev `caller` has no open request to take the operator's part out.
    error NoExitRequest(uint256 capacity, address caller);
    /// @dev The request holds from `exitableAt` on.
    error ExitNotReady(uint256 capacity, uint256 exitableAt);
    /// @dev Epochs `settledTo` … `needed` − 1 must be settled first.
    error NotSettled(uint256 capacity, uint256 settledTo, uint256 needed);
    /// @dev A penalty for `epoch` can still be added until `deadline`.
    error PenaltyPossible(uint256 capacity, uint256 epoch, uint256 deadline);
    /// @dev `account` has no stake waiting.
    error NothingPending(uint256 capacity, address account);
    /// @dev The stake is worth less than one share.
    error ZeroShares(uint256 capacity, uint256 amount);
    /// @dev `account` has no shares cooling.
    error NothingCooling(uint256 capacity, address account);
    /// @dev The shares cool until `releaseAt`.
    error StillCooling(uint256 capacity, uint256 releaseAt);
    /// @dev The shares could have been released until `lapsedAt`. They insure on; whoever still wants
    /// to leave calls `cancelUnstake` and `unstake` again.
    error UnstakeLapsed(uint256 capacity, uint256 lapsedAt);
    /// @dev One reserve an epoch.
    error AlreadyReserved(uint256 capacity, uint256 epoch);
    /// @dev The epoch has no reserve.
    error NotReserved(uint256 capacity, uint256 epoch);
    /// @dev The payee does not answer as this capacity's splitter.
    error NotSplitter(uint256 capacity, address payee);
    /// @dev The token is the one that stakers are paid in: see `collect`.
    error StakersToken(uint256 capacity, address token);

    /// @notice Binds the lease engine, once and for good. Deployer only.
    /// @param newEngine It must name the same deeds, and this bond.
    function bind(IBondEngine newEngine) external;

    // ------------------------------------------------------------------ the lease engine

    /// @notice Sets a penalty aside: from the operator's part, what lacks from the pool. Engine only,
    /// once per capacity and epoch. Never reverts for lack of money.
    /// @param wanted Base units; any number.
    /// @return reserved Base units set aside: all that is wanted, or all there is.
    function reserve(
        uint256 capacity,
        uint256 epoch,
        uint256 wanted
    ) external returns (uint256 reserved);

    /// @notice Pays from an epoch's reserve; the operator's part of it is used up first. Engine only.
    /// @dev Reverts with `NotEnough` beyond what is left, and if the receiver cannot be paid.
    /// @param amount Base units; 0 does nothing.
    function pay(uint256 capacity, uint256 epoch, address receiver, uint256 amount) external;

    /// @notice Gives what is left of an epoch's reserve back: the operator's part of it to the
    /// operator's part, the pool's to those whose shares paid for it. Engine only. Moves no token.
    /// A second time there is nothing left, and nothing happens.
    /// @return amount Base units given back.
    function free(uint256 capacity, uint256 epoch) external returns (uint256 amount);

    // ------------------------------------------------------------------ the operator

    /// @notice Adds to the operator's part. Anyone may; what is paid in belongs to the deed.
    function deposit(uint256 capacity, uint256 amount) external;

    /// @notice `deposit`, with the allowance that it needs. A permit that somebody else brought
    /// first, or that does not hold, is passed over: what counts is the allowance that then stands.
    function depositWithPermit(uint256 capacity, uint256 amount, Permit calldata permit) external;

    /// @notice Announces that the operator's part is to be taken out. Deed owner only. It holds from
    /// `EXIT_DELAY` later on, until cancelled, and for this owner alone: who buys the deed asks anew.
    /// Again, while the own request is open, it changes nothing.
    function requestExit(uint256 capacity) external;

    /// @notice Takes the own request back. Reverts with `NoExitRequest` if there is none.
    function cancelExit(uint256 capacity) external;

    /// @notice Takes money out of the operator's part. Deed owner only, `EXIT_DELAY` after his request,
    /// and only while nothing leased is unsettled and no penalty for it can be added any more.
    function withdraw(uint256 capacity, uint256 amount, address receiver) external;

    // ------------------------------------------------------------------ the stakers

    /// @notice Pays in a stake, which waits until it may `join`: until all epochs that have begun
    /// are settled and past their penalties. More stake while some waits makes all of it wait anew.
    function stake(uint256 capacity, uint256 amount) external;

    /// @notice `stake`, with the allowance that it needs; see `depositWithPermit`.
    function stakeWithPermit(uint256 capacity, uint256 amount, Permit calldata permit) external;

    /// @notice Takes back all stake of the caller that waits, at any time.
    /// @return amount Base units.
    function cancelStake(uint256 capacity, address receiver) external returns (uint256 amount);

    /// @notice Lets an account's waiting stake join the pool. Anyone, once it may.
    /// @dev Collects first from the legs known, so that the new shares take no part in what was
    /// earned before; a payee that does not pay does not stop it. Where nothing is leased any more,
    /// no epoch stands in the way.
    /// @return shares Made for it, rounded down, at least 1.
    function join(uint256 capacity, address account) external returns (uint256 shares);

    /// @notice Begins to cool some of the caller's shares. They insure, and earn, until released. With
    /// shares that cool already, all cool anew.
    function unstake(uint256 capacity, uint256 shares) external;

    /// @notice Stops cooling all of the caller's shares; they stay staked.
    function cancelUnstake(uint256 capacity) external;

    /// @notice Turns an account's cooled shares into money that it can `claim`. Anyone: shares that
    /// have cooled no longer stay to earn at no risk. Moves no token but rewards that come in.
    /// @dev From `releaseAt` on, once all epochs below the cooling's (or below `leasedTo`, if less)
    /// are settled and past their penalties; and until `RELEASE_WINDOW` after the later of
    /// `releaseAt` and the penalties' deadline of the last epoch below the cooling's, leased or not.
    /// Then the cooling has lapsed. Collects first, like `join`.
    /// @return amount Base units, rounded down.
    function releaseStake(uint256 capacity, address account) external returns (uint256 amount);

    /// @notice `releaseStake` of the caller's own shares and `claim` in one.
    /// @return amount Base units paid.
    function withdrawStake(uint256 capacity, address receiver) external returns (uint256 amount);

    /// @notice Makes an account's part of what was left of a reserve its own to `claim`. Anyone. Only
    /// what has been freed, and not yet recovered; if nothing, nothing happens.
    /// @return amount Base units: what is left × shares held when it was set aside / all shares then,
    /// rounded down over all recoveries together.
    function recover(
        uint256 capacity,
        uint256 epoch,
        address account
    ) external returns (uint256 amount);

    /// @notice Pays out what the caller has to claim: released stake and recovered reserves.
    /// @return amount Base units; 0 if there is nothing.
    function claim(uint256 capacity, address receiver) external returns (uint256 amount);

    /// @notice Has the capacity's splitter pay what it owes, in the stablecoin, to a leg whose recipient
    /// is this bond. Anyone. What comes belongs to the pool; without shares in it, to the operator's
    /// part. Other tokens stay where they are: see `passOn`.
    /// @dev Once it has worked, the leg is known, and `join` and `releaseStake` collect from it first,
    /// with at most 400,000 gas. Eight legs can be known, as many as a splitter has at a time, of
    /// the first 256; one that has ended is forgotten. Reverts with `NotSplitter` if the payee is
    /// none, or with what the splitter says. Only what really came counts.
    /// @return amount Base units.
    function collect(uint256 capacity, uint256 leg) external returns (uint256 amount);

    /// @notice Has the capacity's splitter pay what it owes to this bond's leg in another token than the
    /// stablecoin to `receiver`. Deed owner only: stakers are paid in the stablecoin alone.
    /// @return amount Base units of the token that the splitter says it paid.
    function passOn(
        uint256 capacity,
        uint256 leg,
        address token,
        address receiver
    ) external returns (uint256 amount);

    // ------------------------------------------------------------------ views

    /// @notice The deeds: who owns them, what their time and stablecoins are.
    function CAPACITY() external view returns (IComputeCapacity);

    /// @notice Seconds from the request on before the operator's part can leave: 7 days.
    function EXIT_DELAY() external view returns (uint256);

    /// @notice Seconds that shares cool at least: 7 days.
    function COOLDOWN() external view returns (uint256);

    /// @notice Seconds in which shares can be released once they have cooled and the penalties of their
    /// epochs are past, whether anything was leased in them or not: 2 days.
    function RELEASE_WINDOW() external view returns (uint256);

    /// @notice The lease engine; zero until bound.
    function engine() external view returns (IBondEngine);

    /// @notice What a new penalty can draw on: the operator's part and the pool.
    function bondOf(uint256 capacity) external view returns (uint256);

    /// @notice The operator's part.
    function operatorPartOf(uint256 capacity) external view returns (uint256);

    /// @notice The pool, cooling shares included, and its generation.
    function poolOf(
        uint256 capacity
    ) external view returns (uint256 assets, uint256 shares, uint256 generation);

    /// @notice All that the bond holds for the capacity: operator's part, pool, waiting stake, reserves,
    /// what can be recovered and what can be claimed.
    function heldOf(uint256 capacity) external view returns (uint256);

    /// @notice Who asked to take the operator's part out, and from when on he may; zeros if nobody.
    function exitRequestOf(
        uint256 capacity
    ) external view returns (address owner, uint256 exitableAt);

    /// @notice Stake that waits, and the epoch below which all must be over before it may join.
    function pendingOf(
        uint256 capacity,
        address account
    ) external view returns (uint256 amount, uint256 joins);

    /// @notice Shares of the present pool that an account has, cooling ones included.
    function sharesOf(uint256 capacity, address account) external view returns (uint256);

    /// @notice What those shares are worth now, rounded down, without what is not collected yet.
    function stakeOf(uint256 capacity, address account) external view returns (uint256);

    /// @notice Shares that cool; zeros if none. See `releaseStake`.
    function coolingOf(
        uint256 capacity,
        address account
    ) external view returns (uint256 shares, uint256 releaseAt, uint256 epoch);

    /// @notice What `claim` would pay.
    function claimableOf(uint256 capacity, address account) external view returns (uint256);

    /// @notice What is left of an epoch's reserve, from whom it came, and its number; 0 if there is none.
    function reserveOf(
        uint256 capacity,
        uint256 epoch
    ) external view returns (uint256 ofOperator, uint256 ofPool, uint256 number);

    /// @notice What `recover` would make claimable.
    function recoverableOf(
        uint256 capacity,
        uint256 epoch,
        address account
    ) external view returns (uint256);

    /// @notice The legs that are known: bit n for leg n.
    function knownLegsOf(uint256 capacity) external view returns (uint256);
}
